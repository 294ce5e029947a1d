"""pymia 0.3.4 on today's NumPy, in a process of its own: reads or writes a dataset as its examples do.

python pymia_old.py write PATH FOLDER    python pymia_old.py read PATH RESULT
"""

import json
import sys
from importlib import import_module

import numpy as np
import SimpleITK

for name, kind in {"object": object, "float": float}.items():
    setattr(np, name, kind)
data, conversion, creation, extraction = (
    import_module(f"pymia.data{part}") for part in ("", ".conversion", ".creation", ".extraction")
)

IMAGES = {"images": ("T1", "T2"), "labels": ("GT",)}


def load(path, entry, category, _):
    """Load as pymia's example does: images as they are, numbers and a text from a small file."""
    if category in IMAGES:
        image = SimpleITK.ReadImage(path)
        return SimpleITK.GetArrayFromImage(image), conversion.ImageProperties(image)
    with open(path) as stream:
        values = json.load(stream)
    return (np.array(values["sex"]) if entry == "GENDER" else np.asarray([float(values[entry.lower()])])), None


def write(path, folder):
    """Write the subjects in a folder."""
    subjects = []
    for name in ("A", "B", "C"):
        entries = {c: {e: f"{folder}/{name}_{e}.mha" for e in names} for c, names in IMAGES.items()}
        values = f"{folder}/{name}.json"
        entries |= {"numerical": {"AGE": values, "GPA": values}, "gender": {"GENDER": values}}
        subjects.append(data.SubjectFile(name, **entries))
    with creation.get_writer(path) as writer:
        creation.Traverser().traverse(subjects, load, creation.get_default_callbacks(writer))


def read(path, result):
    """Read all that there is, and slices, and save it."""
    categories = ("images", "labels", "numerical", "gender")
    everything = [
        extraction.NamesExtractor(categories=categories),
        extraction.SubjectExtractor(),
        extraction.DataExtractor(categories, ignore_indexing=True),
        extraction.ImagePropertiesExtractor(),
        extraction.ImagePropertyShapeExtractor(),
        extraction.FilesExtractor(categories=("images", "labels")),
    ]
    source = extraction.PymiaDatasource(path, extractor=extraction.ComposeExtractor(everything))
    arrays = {}
    for number, sample in enumerate(source):
        if number == len(source):
            break
        place = sample["properties"]
        geometry = [place.size, place.spacing, place.origin, place.direction]
        texts = {key: value for key, value in sample.items() if key.endswith(("_names", "_files", "subject", "gender"))}
        arrays[f"{number}/texts"] = json.dumps({**texts, "geometry": geometry, "shape": sample["shape"]})
        arrays |= {f"{number}/{name}": sample[name] for name in categories[:3]}
    slices = extraction.PymiaDatasource(path, extraction.SliceIndexing(1), extraction.DataExtractor(("images",)))
    arrays["slices"] = np.stack([slices[position]["images"] for position in range(len(slices))])
    np.savez(result, **arrays)


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
