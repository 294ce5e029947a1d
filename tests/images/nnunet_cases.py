"""A folder as nnU-Net 2.8.1 leaves it: plans, `dataset.json` and preprocessed cases in chunks."""

import json

import blosc2
import numpy as np

FOLDER, LOW = "nnUNetPlans_3d_fullres", "nnUNetPlans_3d_lowres"
PLANS = {
    "plans_name": "nnUNetPlans",
    "transpose_forward": [2, 0, 1],
    "configurations": {
        "2d": {"data_identifier": "nnUNetPlans_2d", "spacing": [1.0, 0.7]},
        "3d_fullres": {"data_identifier": FOLDER, "spacing": [4.0, 1.0, 0.7]},
        "3d_lowres": {
            "data_identifier": "nnUNetPlans_3d_lowres",
            "spacing": [4, 2, 1.5],
            "inherits_from": "3d_fullres",
        },
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
    },
}
LABELS = {"background": 0, "liver": 1, "tumour": 2}
SHAPE = (5, 6, 7)
DATA = np.random.default_rng(0).standard_normal((2, *SHAPE)).astype(np.float32)
SEGMENTATION = np.random.default_rng(1).integers(-1, 3, (1, *SHAPE)).astype(np.int16)


def save(path, array, *, chunks=(1, 4, 5, 7), blocks=(1, 2, 4, 4), codec=blosc2.Codec.LZ4HC, filters=None):
    """Write an array as `nnUNetDatasetBlosc2.save_case` does."""
    cparams = {"codec": codec, "clevel": 5, "filters": filters or [blosc2.Filter.SHUFFLE]}
    blosc2.asarray(array, urlpath=str(path), chunks=chunks, blocks=blocks, cparams=cparams, mode="w")
    return path


def dataset(root, *, plans=PLANS, labels=LABELS, folder=FOLDER):
    """Make the folders of a dataset with one case; return that of its cases."""
    home = root / folder
    home.mkdir(parents=True)
    save(home / "case.b2nd", DATA)
    save(home / "case_seg.b2nd", SEGMENTATION)
    # A pickle that would run code.
    (home / "case.pkl").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    if plans is not None:
        (root / "nnUNetPlans.json").write_text(json.dumps(plans))
    (root / "dataset.json").write_text(json.dumps({"labels": labels, "channel_names": {"0": "T1"}, "numTraining": 1}))
    return home
