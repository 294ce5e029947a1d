"""A small cohort of image files with numbers and texts."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import distributed
import numpy as np
import pytest

from mia_functional import dataset, images
from mia_functional.geometry import Geometry

NAMES = ("A", "B", "C")
SHAPE = (10, 12, 14)
PATTERNS = {
    "images": {"T1": "{subject}_T1.mha", "T2": "{subject}_T2.mha"},
    "labels": {"GT": "{subject}_GT.mha"},
}
COLUMNS = {"numerical": {"AGE": "age", "GPA": "gpa"}, "gender": {"GENDER": "sex"}}


def grid(number):
    """The geometry of a subject: oblique, and another one for each."""
    angle = 0.3 * (number + 1)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return Geometry(
        shape=SHAPE, spacing=(3.0, 1.0 + number, 0.7), origin=(5.0, -7.0, 11.25),
        direction=((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)),
    )  # fmt: skip


def make_files(folder, names=NAMES):
    """Write the files of a cohort and its table."""
    rows = ["id,age,gpa,sex"]
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        place = grid(number)
        for entry in ("T1", "T2"):
            images.write(folder / f"{name}_{entry}.mha", rng.normal(size=place.shape).astype(np.float32), place)
        images.write(folder / f"{name}_GT.mha", rng.integers(0, 5, place.shape).astype(np.uint8), place)
        values = {"age": 20 + number, "gpa": 3.25 + number, "sex": "MF"[number % 2]}
        (folder / f"{name}.json").write_text(json.dumps(values))
        rows.append(",".join([name, *map(str, values.values())]))
    (folder / "table.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The files of three subjects."""
    return make_files(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def subjects(folder):
    """Three subjects, as they are discovered."""
    return dataset.discover(folder, PATTERNS, table=folder / "table.csv", columns=COLUMNS)


@pytest.fixture(scope="session")
def cohort(subjects, tmp_path_factory):
    """A dataset of three subjects; nobody may change the file."""
    path = tmp_path_factory.mktemp("dataset") / "cohort.h5"
    dataset.create(path, subjects)
    return dataset.open(path)


@pytest.fixture(
    scope="session", params=["threads", *(pytest.param(name, marks=pytest.mark.slow) for name in ("processes", "dask"))]
)
def executor(request):
    """Two workers: threads, processes that are spawned, or a local cluster of dask."""
    if request.param == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    elif request.param == "processes":
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
    else:
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client.get_executor()
