"""Atomic files: complete under their name or absent, and nothing else left behind."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mia_functional._core import atomic_files


def contents(folder):
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def save(path, *, overwrite=False):
    with atomic_files.atomic_write("save", path, overwrite=overwrite) as draft:
        draft.write_text("new")


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "x.txt"
    with atomic_files.atomic_write("save", path) as draft:
        draft.write_text("new")
        assert draft.name == path.name
        assert draft.parent.parent == tmp_path
        assert not path.exists()
    assert contents(tmp_path) == {"x.txt": "new"}
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def interrupted():
        with atomic_files.atomic_write("save", path) as draft:
            draft.write_text("new")
            draft.with_name("more").write_text("new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert contents(tmp_path) == {"x.txt": "old"}


def test_existing_files_and_missing_folders_are_named(tmp_path):
    path = tmp_path / "x.txt"
    save(path)
    with pytest.raises(FileExistsError, match=rf"^save: {path} exists already; `overwrite=True` replaces it\.$"):
        save(path)
    with pytest.raises(FileNotFoundError, match=rf"^save: the folder {tmp_path / 'nowhere'} does not exist\.$"):
        save(tmp_path / "nowhere" / "x", overwrite=True)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match="exists already"):
        save(path)


def test_the_named_file_comes_after_its_companions_and_after_every_flush(tmp_path, monkeypatch):
    path = tmp_path / "x.mhd"
    path.write_text("old")
    events = []
    flush, rename, unlink = os.fsync, Path.replace, Path.unlink

    def fsync(descriptor):
        events.append("flush")
        flush(descriptor)

    def replace(draft, target):
        events.append(f"rename {target.name}")
        return rename(draft, target)

    def remove(target, **options):
        events.append(f"remove {target.name}")
        unlink(target, **options)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "unlink", remove)
    with atomic_files.atomic_write("save", path) as draft:
        draft.write_text("new")
        draft.with_name("x.raw").write_text("pixels")
    assert events == ["flush", "flush", "remove x.mhd", "rename x.raw", "rename x.mhd", "flush"]
    assert contents(tmp_path) == {"x.mhd": "new", "x.raw": "pixels"}
    events.clear()
    with atomic_files.atomic_write("save", path, durable=False) as draft:
        draft.write_text("newer")
    assert events == ["rename x.mhd"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_errors_of_the_system_name_the_file_and_keep_their_kind(tmp_path, monkeypatch, failing):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "/some/draft")

    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), refuse)
    with pytest.raises(PermissionError, match=rf"save: {path} could not be written: Permission denied") as caught:
        save(path, overwrite=True)
    assert caught.value.filename == str(path)
    assert contents(tmp_path) == {"x.txt": "old"}


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from mia_functional._core import atomic_files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
path = Path(sys.argv[1])
def text(draft): draft.write_text("x" * 5000)
def stream(draft):
    with draft.open("wb", buffering=0) as file:
        for _ in range(3): assert file.write(b"x" * 2000) == 2000
def folder(draft):
    draft.write_text("header")
    draft.with_name("x.raw").write_text("x" * 5000)
for write in (text, stream, folder):
    try:
        with atomic_files.atomic_write("save", path, durable=write is not stream) as draft:
            write(draft)
    except (OSError, AssertionError) as error:
        print(type(error).__name__, error)
"""


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, cwd=Path(__file__).parents[2])
    lines = result.stdout.splitlines()
    assert len(lines) == 3, result.stderr
    assert lines[0] == f"OSError [Errno 27] save: {path} could not be written: File too large: {str(path)!r}"
    # A short write is no error of the system: whoever writes without buffers looks at the count.
    assert lines[1].startswith("AssertionError")
    assert lines[2] == lines[0]
    assert contents(tmp_path) == {"x.txt": "old"}
