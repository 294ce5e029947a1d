"""Tables of subjects: classes, probabilities and values against scikit-learn, and what cells may hold."""

import numpy as np
import pytest
from sklearn import metrics as peer

from mia_functional.evaluation import concatenate, evaluate_table

RNG = np.random.default_rng(5)
CLASSES = np.array(["benign", "malignant", "unclear"])
TRUTH = RNG.integers(0, 3, 40)
SCORES = RNG.dirichlet((1, 1, 1), 40) * 0.6 + 0.4 * np.eye(3)[TRUTH] * RNG.random((40, 1))
SCORES = (SCORES / SCORES.sum(axis=1, keepdims=True)).round(6)
VALUES = RNG.normal(50, 10, 40).round(3)
FOUND = (VALUES + RNG.normal(1, 3, 40)).round(3)
COLUMNS = ("p0", "p1", "p2")


@pytest.fixture
def cohort(tmp_path):
    """Return the path of a table of forty subjects."""
    path = tmp_path / "cohort.csv"
    lines = ["subject;class;p0;p1;p2;volume;measured;ill;guess"]
    for k in range(40):
        row = [f"S{k}", CLASSES[TRUTH[k]], *SCORES[k], VALUES[k], FOUND[k], int(TRUTH[k] == 1)]
        lines.append(";".join(map(str, [*row, CLASSES[SCORES[k].argmax()]])))
    path.write_text("\n".join(lines))
    return path


def values(results):
    """Return values by label and metric."""
    return {(row.label, row.metric): row.value for row in results}


def test_classes_and_their_probabilities(cohort):
    labels = {"benign": "B", "malignant": "M", "unclear": "U"}
    names = ("SNSVTY", "PRCISON", "MCC", "AUROC", "AP", "BRIER")
    found = evaluate_table(
        cohort, reference="class", probabilities=COLUMNS, labels=labels, metrics=names, subject="all"
    )
    assert {row.subject for row in found} == {"all"}
    # Thresholds at equal steps; all of them would give scikit-learn's areas to the digit.
    for number, name in enumerate(labels.values()):
        own, truth, guess = SCORES[:, number], number == TRUTH, SCORES.argmax(axis=1) == number
        expected = {
            "SNSVTY": peer.recall_score(truth, guess),
            "PRCISON": peer.precision_score(truth, guess),
            "MCC": peer.matthews_corrcoef(truth, guess),
            "BRIER": peer.brier_score_loss(truth, own),
        }
        for metric, value in expected.items():
            assert values(found)[name, metric] == pytest.approx(value, rel=1e-9)
        assert values(found)[name, "AUROC"] == pytest.approx(peer.roc_auc_score(truth, own), abs=0.01)
        assert values(found)[name, "AP"] == pytest.approx(peer.average_precision_score(truth, own), abs=0.02)
    guessed = evaluate_table(cohort, reference="class", prediction="guess", labels=tuple(CLASSES), metrics=["SNSVTY"])
    assert [row.value for row in guessed] == [values(found)[name, "SNSVTY"] for name in "BMU"]
    assert [row.label for row in guessed] == list(CLASSES)


def test_one_class_and_its_probability(cohort):
    found = values(evaluate_table(cohort, reference="ill", probabilities="p1", metrics=["ACURCY", "BRIER", "AUROC"]))
    assert found["", "ACURCY"] == pytest.approx(np.mean((SCORES[:, 1] >= 0.5) == (TRUTH == 1)))
    assert found["", "BRIER"] == pytest.approx(np.mean((SCORES[:, 1] - (TRUTH == 1)) ** 2))
    assert found["", "AUROC"] == pytest.approx(peer.roc_auc_score(TRUTH == 1, SCORES[:, 1]), abs=0.01)


def test_values(cohort):
    found = evaluate_table(cohort, reference="volume", prediction="measured", metrics=["MAE", "RMSE", "R2", "PCC"])
    expected = (
        peer.mean_absolute_error(VALUES, FOUND),
        peer.root_mean_squared_error(VALUES, FOUND),
        peer.r2_score(VALUES, FOUND),
        np.corrcoef(VALUES, FOUND)[0, 1],
    )
    np.testing.assert_allclose([row.value for row in found], expected, rtol=1e-9)
    classes = evaluate_table(cohort, reference="ill", prediction="ill", metrics=["MAE", "DICE"], subject="classes")
    assert [row.value for row in concatenate([found, classes])][4:] == [0.0, 1.0]


WRONG = [
    ({"reference": "age", "prediction": "ill"}, "`reference` must name a column of subject, class"),
    ({"reference": "ill"}, "`prediction` must be the name of a column"),
    ({"reference": "class", "prediction": "guess"}, "`reference` must hold numbers, with a point; got"),
    (
        {"reference": "class", "prediction": "guess", "labels": (1, 2)},
        r"`reference` must hold the classes 1, 2; got \w+ for S0 in class",
    ),
    (
        {"reference": "class", "probabilities": ("p0",), "labels": tuple(CLASSES)},
        "`probabilities` must name one column without labels, and one for each",
    ),
    ({"reference": "ill", "prediction": "ill", "labels": (0, "0")}, "`labels` must name at least one class"),
    ({"reference": "ill", "probabilities": "volume"}, "`probabilities` must lie within 0 and 1"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_what_is_wrong_is_one_sentence(cohort, options, words):
    with pytest.raises(ValueError, match=f"^evaluate_table: {words}"):
        evaluate_table(cohort, metrics=["BRIER" if "probabilities" in options else "DICE"], **options)


def test_cells_without_a_value_and_tables_that_are_none(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("subject,ill,p\nA,1,0.5\nB,0,n/a\n")
    with pytest.raises(
        ValueError, match=r"^evaluate_table: `probabilities` must have a value for every subject; .* B in"
    ):
        evaluate_table(path, reference="ill", probabilities="p", metrics=["AUROC"])
    path.write_text("subject,ill\nA,1\nA,0\n")
    with pytest.raises(ValueError, match=r"^evaluate_table: `table` must name every subject once in its first column"):
        evaluate_table(path, reference="ill", prediction="ill", metrics=["DICE"])
    with pytest.raises(FileNotFoundError, match=r"^evaluate_table: the table .* does not exist"):
        evaluate_table(tmp_path / "no.csv", reference="ill", prediction="ill", metrics=["DICE"])
