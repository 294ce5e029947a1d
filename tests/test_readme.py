"""The README tells the truth: its code runs, and its table of metrics is the table."""

import re
from pathlib import Path

import numpy as np
import pytest

from mia_functional import dataset, images, indexing, metrics, phantoms

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def network(patch):
    """Stand in for a network: the brighter a voxel, the likelier a later class."""
    centres = np.linspace(-1, 1, 3, dtype=np.float32)
    return np.exp(-((patch[..., :1] - centres) ** 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the cohort that the README speaks of."""
    folder = tmp_path_factory.mktemp("readme")
    for name, seed in (("case1", 1), ("case2", 2)):
        head = phantoms.head((86, 88, 90), rng=np.random.default_rng(seed))
        (folder / "cohort" / name).mkdir(parents=True)
        for entry, array in (("T1", head.t1), ("T2", head.t2), ("GT", head.labels)):
            images.write(folder / "cohort" / name / f"{entry}.nii.gz", array, head.geometry)
        for method, shift in (("net_a", 1), ("net_b", 2)):
            (folder / method).mkdir(exist_ok=True)
            images.write(folder / method / f"{name}.nii.gz", np.roll(head.labels, shift, axis=0), head.geometry)
    rows = ("benign,0.75,0.25,2.5,3.0", "malignant,0.5,0.5,4.0,4.5", "malignant,0.25,0.75,7.5,7.0")
    table = ["subject,diagnosis,p_benign,p_malignant,ml,ml_network", *(f"S{k},{row}" for k, row in enumerate(rows))]
    (folder / "cohort.csv").write_text("\n".join(table))
    return folder


@pytest.mark.slow
def test_the_code_of_the_readme_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names = {"network": network}
    for block in BLOCKS:
        exec(block, names)
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["SUBJECT", "LABEL", "DICE", "HDRFDST95", "SURFDICE@2mm"]
    assert [line.split()[0] for line in table[2:5]] == ["case1"] * 3
    assert table[5].split()[:4] == ["METHOD", "SITE", "LABEL", "METRIC"]
    assert (folder / "results.csv").read_text().count("\n") == 1 + 3 * 3
    assert [entry.better for entry in names["comparisons"]] == ["net a"] * 4
    assert all(ranking.ranks[0].method == "net a" for ranking in names["rankings"])
    assert len(names["worst"]) == 4
    assert names["interval"].n == 8
    assert [row.value for row in names["diagnoses"] if row.metric == "SNSVTY"] == [1, 0.5]
    assert names["volumes"][0].value == 0.5
    sample = {**dataset.samples(names["data"], indexing=indexing.whole, extract=("images", "labels", "geometry"))[0]}
    prepared = names["prepare"](sample)
    assert prepared["images"].shape == (96, 96, 96, 2)
    assert prepared["geometry"].shape == (96, 96, 96)
    augmented = names["augment"]({**prepared, "rng": np.random.default_rng(0)})
    assert augmented["labels"].dtype == sample["labels"].dtype
    assert not np.array_equal(augmented["images"], prepared["images"])


def test_the_table_of_metrics_is_the_table():
    _, table, _ = re.split("<!-- /?metrics -->", README)
    assert table.strip() == metrics.table_markdown().strip()
