"""ITK's process-wide settings: silent while we read, and then as they were before."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import SimpleITK

from mia_functional import images
from mia_functional.images import itk_globals
from mia_functional.images.checked_itk import itk_reads

from .cases import oblique, random_array


def test_warnings_of_itk_stay_in_and_the_switch_comes_back(tmp_path, capfd):
    array = random_array((30, 30, 30), "int16")
    paths = [tmp_path / f"{number}.nii.gz" for number in range(6)]
    for path in paths:
        images.write(path, array, oblique(array.shape))
    threads = [threading.Thread(target=images.read, args=(path,)) for path in paths]
    assert SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    images.read(paths[0])
    assert not SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.GlobalWarningDisplayOn()
    assert capfd.readouterr() == ("", "")


def printed(program):
    """Return what a program prints in a process of its own."""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    return result.stdout.strip()


@pytest.mark.parametrize("package", ["images", "discovery"])
def test_heavy_libraries_wait_for_the_first_file(package):
    names = printed(f"import sys, mia_functional.{package}; print(*sys.modules)").split()
    assert f"mia_functional.{package}" in names
    assert {"SimpleITK", "h5py", "scipy"}.isdisjoint(name.split(".")[0] for name in names)


FORKED = """
import os, threading
from mia_functional.images import itk_globals
held, done = threading.Event(), threading.Event()
def hold():
    with itk_globals._LOCK:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    with itk_globals.quiet():
        os._exit(7)
done.set()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="only systems that fork have the hook")
def test_a_lock_that_another_thread_holds_is_free_after_a_fork():
    assert printed(FORKED) == "7"


def test_the_last_to_leave_restores_the_number_of_threads():
    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads
    before = threads()
    first, last = itk_globals.one_thread(), itk_globals.one_thread()
    first.__enter__()
    last.__enter__()
    first.__exit__(None, None, None)
    assert threads() == 1
    last.__exit__(None, None, None)
    assert threads() == before


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ITK ERROR: GDCMImageIO(0x55d0): Cannot read requested file.", "it holds no pixels, or pixels of a kind"),
        (
            "ITK ERROR: Image(0x55d0): Zero-valued spacing is not supported and may ...",
            "its spacing is 0 along an axis",
        ),
        ("ITK ERROR: Image(0x55d0): Bad direction, determinant is 0. Refusing ...", "its directions lie in one plane"),
        ("sitk::ERROR: Only Complex image with float and double are supported!", "it holds complex numbers"),
        ("An invalid logic behavior occurredPF.GetBitsStored() != 12", "its header or its pixels are damaged"),
        ("", "its header or its pixels are damaged"),
    ],
)
def test_errors_of_itk_are_said_in_our_words(theirs, ours):
    error = RuntimeError(f"Exception thrown in SimpleITK:\n{theirs}\n")
    with pytest.raises(ValueError, match=r"file\.nrrd: ") as raised, itk_reads(Path("file.nrrd")):
        raise error
    words = str(raised.value).partition("file.nrrd: ")[2].removesuffix(".")
    assert words.startswith(ours)
    assert not words.endswith(".")
    assert not any(part in words for part in ("0x", "ITK", "GDCM", "Exception", "\n"))
