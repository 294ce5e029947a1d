"""From two folders to a table, beside nnU-Net, panoptica and another commit of this repository.

    python benchmarks/evaluation.py [--nnunet PYTHON] [--panoptica PYTHON] [--baseline CHECKOUT]

Whole commands are timed, their start included, in turns; printed are medians and ratios. `PYTHON` is the interpreter of
an environment with nnunetv2 2.8, or panoptica 2.1 and nibabel (their packages want another NumPy than ours at times);
panoptica runs once, as that takes minutes. The cohort is made of nilearn's MNI152 maps: grey and white matter at 1 mm,
each subject shifted and dilated by its own seed, as `.nii.gz`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SUBJECTS, TINY, TURNS = 20, 5000, 5
METRICS = ("DICE", "HDRFDST95", "SURFDICE@1mm", "ASSD")

NNUNET = """
import sys
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
if __name__ == "__main__":
    folder = sys.argv[1]
    compute_metrics_on_folder(folder + "/truth", folder + "/found", folder + "/summary.json", SimpleITKIO(), ".nii.gz",
                              [1, 2], num_processes=2)
"""

PANOPTICA = """
import sys
from pathlib import Path
import nibabel
import numpy as np
from panoptica import InputType, Metric, Panoptica_Evaluator
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    metrics = [Metric.DSC, Metric.HD95, Metric.NSD, Metric.ASSD]
    evaluator = Panoptica_Evaluator(InputType.MATCHED_INSTANCE, instance_metrics=metrics, global_metrics=[])
    for path in sorted((folder / "truth").glob("*.nii.gz")):
        found, truth = (np.asarray(nibabel.load(folder / name / path.name).dataobj) for name in ("found", "truth"))
        evaluator.evaluate(found, truth, voxelspacing=(1.0, 1.0, 1.0))
"""

MANY_LABELS_RUN = """
import sys, time
import numpy as np
from mia_functional.evaluation import evaluate
pair = np.load(sys.argv[1])
start = time.perf_counter()
evaluate(*pair, metrics=["DICE", "HDRFDST95", "SURFDICE@1mm"], labels=tuple(range(1, 118)), spacing=(1.0, 1.0, 1.0))
print(time.perf_counter() - start)
"""

TINY_RUN = """
import re, sys, time
from pathlib import Path
import numpy as np
from mia_functional.evaluation import evaluate_folders
from mia_functional.geometry import Geometry
mask, grid = np.eye(2, dtype=np.uint8), Geometry(shape=(2, 2), spacing=(1.0, 1.0))
def load(path):
    return mask, grid
def nothing(prediction, reference):
    return 1.0
if __name__ == "__main__":
    start = time.perf_counter()
    folders = [sys.argv[1] + name for name in ("/found", "/truth")]
    results = evaluate_folders(*folders, metrics=[nothing], load=load, journal=sys.argv[1] + "/j")
    assert len(results) == int(sys.argv[2])
    seconds = time.perf_counter() - start
    # Not `ru_maxrss`, which begins with what the process had that started this one.
    print(seconds, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def write_cohort(folder: Path) -> None:
    """Write predictions and references of all subjects."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template
    from scipy import ndimage

    import mia_functional as mia

    grey, white = (
        np.asarray(load(resolution=1).dataobj).T > 0.4 for load in (load_mni152_gm_template, load_mni152_wm_template)
    )
    labels = np.where(white, 2, grey).astype(np.uint8)
    grid = mia.geometry.Geometry(shape=labels.shape, spacing=(1.0, 1.0, 1.0))
    for name in ("found", "truth"):
        (folder / name).mkdir()
    for subject in range(SUBJECTS):
        rng = np.random.default_rng(subject)
        reference = np.roll(labels, rng.integers(-3, 4, 3), (0, 1, 2))
        prediction = np.roll(ndimage.grey_dilation(reference, size=(1, 2, 2)), rng.integers(-1, 2, 3), (0, 1, 2))
        for name, array in (("truth", reference), ("found", prediction)):
            mia.images.write(folder / name / f"case_{subject:03}.nii.gz", array, grid)


def timed(command: Sequence[str], **options: Any) -> float:
    """Return how long a command takes; raise unless it ends well."""
    # Python keeps compiled modules, as it does of installed packages, also where a developer has told it not to.
    environment = dict(options.pop("env", os.environ))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    subprocess.run(
        list(command), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, **options
    )
    return time.perf_counter() - start


def in_turns(scenes: dict[str, Callable[[], float]], turns: int = TURNS) -> dict[str, float]:
    """Return the medians of scenes that are run in turns."""
    times: dict[str, list[float]] = {name: [] for name in scenes}
    for _ in range(turns):
        for name, scene in scenes.items():
            times[name].append(scene())
    return {name: statistics.median(values) for name, values in times.items()}


def evaluate_command(folder: Path, *options: str) -> list[str]:
    """Return the command that evaluates the cohort."""
    return [
        sys.executable, "-m", "mia_functional", "evaluate", f"{folder}/found", f"{folder}/truth", "--labels", "1", "2",
        "--metrics", *METRICS, *options,
    ]  # fmt: skip


def main() -> None:
    """Time all scenes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nnunet", metavar="PYTHON")
    parser.add_argument("--panoptica", metavar="PYTHON")
    parser.add_argument("--baseline", metavar="CHECKOUT")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cohort(folder)
        scenes = {"mia evaluate, 2 processes": partial(timed, evaluate_command(folder, "--jobs", "2"))}
        scenes["mia evaluate, 1 process"] = partial(timed, evaluate_command(folder, "--jobs", "1"))
        if options.baseline:
            environment = os.environ | {"PYTHONPATH": options.baseline}
            scenes["baseline, 2 threads"] = partial(
                timed, evaluate_command(folder, "--jobs", "2"), env=environment, cwd=options.baseline
            )
        if options.nnunet:
            (folder / "nnunet.py").write_text(NNUNET)
            scenes["nnU-Net, Dice and IoU, 2 processes"] = partial(
                timed, [options.nnunet, str(folder / "nnunet.py"), name]
            )
        medians = in_turns(scenes)
        first = medians["mia evaluate, 2 processes"]
        print(f"{SUBJECTS} pairs of MNI152 at 1 mm, labels 1 and 2, {', '.join(METRICS)}; medians of {TURNS} in turns")
        for scene, seconds in medians.items():
            print(f"  {scene:<36} {seconds:7.2f} s   {first / seconds:5.2f} of it")
        if options.nnunet:
            print(f"  largest difference to nnU-Net's Dice and IoU: {difference_to_nnunet(folder):.1e}")
        if options.panoptica:
            (folder / "beside.py").write_text(PANOPTICA)  # not of the name of the package
            seconds = timed([options.panoptica, str(folder / "beside.py"), name])
            print(f"  {'panoptica, the same metrics, once':<36} {seconds:7.2f} s   {first / seconds:5.3f} of it")
        if options.baseline:
            many_labels(folder, options.baseline)
        tiny(folder)


def many_labels(folder: Path, baseline: str) -> None:
    """Print the time of 117 labels in 300^3 beside that of the baseline, which also runs against itself."""
    path, script = folder / "labels.npy", folder / "many.py"
    script.write_text(MANY_LABELS_RUN)
    rng = np.random.default_rng(0)
    labels = np.zeros((300,) * 3, np.uint8)
    grid = np.stack(np.meshgrid(*(np.arange(-30, 31),) * 3, indexing="ij"))
    for label in range(1, 118):
        centre, radii = rng.integers(32, 268, 3), rng.uniform(8, 30, 3)
        ball = ((grid / radii[:, None, None, None]) ** 2).sum(axis=0) <= 1
        labels[tuple(slice(middle - 30, middle + 31) for middle in centre)][ball] = label
    np.save(path, np.stack([np.roll(labels, (1, -1, 2), (0, 1, 2)), labels]))

    def seconds(checkout: str) -> float:
        environment = os.environ | {"PYTHONPATH": checkout}
        command = [sys.executable, str(script), str(path)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    checkouts = {"now": str(Path(__file__).parents[1]), "baseline": baseline, "baseline again": baseline}
    medians = in_turns({name: partial(seconds, checkout) for name, checkout in checkouts.items()})
    print("117 labels in 300^3, Dice, HD95 and surface Dice")
    for name, median in medians.items():
        print(f"  {name:<36} {median:7.2f} s   {median / medians['baseline']:5.2f} of the baseline")


def difference_to_nnunet(folder: Path) -> float:
    """Return the largest difference between our values and those of nnU-Net's summary."""
    from mia_functional.evaluation import evaluate_folders

    results = evaluate_folders(folder / "found", folder / "truth", metrics=["DICE", "JACRD"], labels=(1, 2), workers=2)
    ours = {(row.subject, row.label, row.metric): row.value for row in results}
    names = {"DICE": "Dice", "JACRD": "IoU"}
    differences = [
        abs(
            ours[Path(case["prediction_file"]).name.removesuffix(".nii.gz"), label, metric]
            - case["metrics"][label][name]
        )
        for case in json.loads((folder / "summary.json").read_text())["metric_per_case"]
        for label in ("1", "2")
        for metric, name in names.items()
    ]
    return max(differences)


def tiny(folder: Path) -> None:
    """Print what the library itself costs a case, and its memory, for some and for many."""
    script = folder / "tiny.py"
    script.write_text(TINY_RUN)
    for count in (TINY // 10, TINY):
        home = folder / str(count)
        for name in ("found", "truth"):
            (home / name).mkdir(parents=True)
            for number in range(count):
                (home / name / f"case{number}.npy").touch()
        output = subprocess.run(
            [sys.executable, script, home, str(count)], check=True, capture_output=True, text=True
        ).stdout
        seconds, memory = map(float, output.split())
        own = f"{1e3 * seconds / count:.3f} ms a case, {memory:.0f} MB"
        print(f"{count} pairs without reading and metrics, journal included: {own}")


if __name__ == "__main__":
    main()
