"""`mia evaluate`: folders of predictions against a folder of references."""

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import mia_functional as mia
from mia_functional._core import checks, optional
from mia_functional._core.processes import begin_processes
from mia_functional.cli.options import (
    AFFINE,
    ALIGN,
    COUNTING,
    DONE,
    FAILED,
    JOBS,
    JSON,
    SPACING,
    Command,
    Options,
    progress_bar,
    worded,
)
from mia_functional.typing import Label, Progress

__all__ = ["EVALUATE_COMMAND", "all_labels", "by_method"]

_NamedLabels: TypeAlias = list[tuple[Label, str]]
"""Labels, or several that are merged, and their names."""

_WORKER = "mia_functional.evaluation._worker"
"""The module that processes need which evaluate."""

_LABEL = re.compile(r"[0-9]+(\+[0-9]+)*(=.*|(,[0-9]+(\+[0-9]+)*)*)")
"""`1`, `1+2`, `1=liver`, `1+2=whole`, or several without names: `1,2,3`."""


def _run_evaluate(options: Options) -> int:
    """Evaluate folders, print the tables, and say which subjects failed."""
    if options.jobs > 1 and options.dask is None:
        begin_processes(_WORKER)  # where a server begins them, it imports while this process does
    from dataclasses import replace  # here, since it would add a sixth to the time that `mia --help` takes

    import_module(_WORKER)  # this process tries options, or evaluates itself
    journal = options.unfinished = _checked_journal(options)
    counting = {name: getattr(options, name) for name in ("policy", "missing", "infinite")}
    # Refused before the work, but not imported for what is always right: the room takes its time.
    if options.policy != "mia" or options.missing is not None or options.infinite is not None:
        mia.analysis.policies.resolve_policy("summarize", **counting)
    client = None if options.dask is None else optional.require("distributed").Client(options.dask)
    with client or nullcontext():
        results = mia.evaluation.evaluate_folders(
            by_method(options.predictions, options.methods), options.references, metrics=options.metrics,
            labels=all_labels(options.labels), channels=_distinct("--channels", options.channels) or None,
            ignore=options.ignore, probabilities=_folders_of(options), convention=options.convention,
            folder_layout=options.folder_layout, affine=options.affine, spacing=options.spacing,
            align=options.align, workers=options.jobs, executor=client and client.get_executor(), journal=journal,
            resume=options.resume, progress=_with_imports(progress_bar(options, "Evaluating")),
        )  # fmt: skip
    rule = mia.analysis.policies.resolve_policy("summarize", **counting)
    noted = {"command": shlex.join(options.words), "policy": mia.analysis.policies.policy_name(options.policy, rule)}
    results = replace(results, runs=tuple(replace(run, **noted) for run in results.runs))
    if journal is not None:
        mia.reporting.write_runs(options.output, results, overwrite=True)
        mia.reporting.write_results(options.output, results, layout=getattr(mia.reporting, f"{options.layout}_table"))
        journal.unlink()
    if not options.json:
        # Before the statistics, which may refuse: the values are there.
        print(mia.reporting.render_console(results, layout=mia.reporting.wide_table), end="\n\n", flush=True)
    statistics = mia.analysis.summarize(results, **counting)
    if options.json:
        whole = {"rows": results.rows, "runs": results.runs, "statistics": statistics}
        print(json.dumps(mia.reporting.json_files.plain_data(whole), indent=1))
    else:
        print(mia.reporting.render_console(statistics))
    # Once for all labels and metrics of a case.
    lacking = [(row.method, row.subject, row.reason) for row in results if row.status in ("failed", "missing")]
    for method, subject, reason in dict.fromkeys(lacking):
        prefix = f"{method}, " if len({row.method for row in results}) > 1 else ""
        print(f"{prefix}{subject}: {worded(reason, 'evaluate')}", file=sys.stderr)
    return FAILED if lacking else DONE


def _with_imports(progress: Progress) -> Progress:
    """Return a progress function that first imports what is needed in the end, while others evaluate."""

    def report(done: int, total: int, name: str) -> None:
        from importlib import metadata  # noqa: F401

        _ = mia.analysis.summarize, mia.reporting.render_console
        progress(done, total, name)

    return report


def _checked_journal(options: Options) -> Path | None:
    """Return the journal beside the output; raise for an output that could not be written, before hours of work."""
    output = options.output
    if output is None:
        if options.resume:
            checks.invalid_value(
                "evaluate", "--output", "be given with `--resume`, as the journal lies beside it", "none"
            )
        return None
    if output.exists():
        raise FileExistsError(f"evaluate: {output} exists already; choose another `--output`.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"evaluate: the folder {output.parent} does not exist.")
    form = mia.reporting.result_files.result_format(
        "write_results", output, layout=getattr(mia.reporting, f"{options.layout}_table")
    )
    for package in form.packages:
        optional.require(package)
    # `results.csv` and `results.json` would have one record, which tells how one of them came about.
    record = mia.reporting.run_files.run_path(output)
    others = (output.with_suffix(ending) for ending in mia.reporting.result_files.RESULT_FORMATS)
    if record.exists() and (other := next((path for path in others if path.exists()), None)) is not None:
        raise FileExistsError(f"evaluate: {record} is the record of {other}; choose another name than {output}.")
    if not os.access(output.absolute().parent, os.W_OK):
        raise PermissionError(f"evaluate: files cannot be written to the folder {output.absolute().parent}.")
    journal: Path = output.with_name(f"{output.name}.journal")
    return journal


def _folders_of(options: Options) -> Sequence[str] | dict[str, str] | None:
    """Return the folders of probabilities, by the names of the methods if these are given."""
    folders: list[str] | None = options.probabilities
    if folders is None or len(folders) != len(options.predictions):
        return folders
    return by_method(folders, options.methods)


def by_method(folders: Sequence[str], names: Sequence[str] | None) -> Sequence[str] | dict[str, str]:
    """Return folders of predictions, by the names of their methods if these are given."""
    if names is None:
        return folders
    if len(names) != len(folders) or len(set(names)) != len(names):
        checks.invalid_value("evaluate", "--methods", f"be {len(folders)} different names, one per folder", names)
    return dict(zip(names, folders, strict=True))


def all_labels(given: Sequence[_NamedLabels | Path]) -> dict[Label, str] | Path | None:
    """Return labels with their names, the file that says which there are, or None if none are given."""
    files = [entry for entry in given if isinstance(entry, Path)]
    if files and len(given) > 1:
        checks.invalid_value("evaluate", "--labels", "be labels, or one file", f"{files[0]} beside others")
    if files:
        return files[0]
    return _distinct("--labels", [pair for entry in given if isinstance(entry, list) for pair in entry]) or None


def _distinct(option: str, pairs: Sequence[tuple[Label, str]]) -> dict[Label, str]:
    """Return structures with their names; raise if one is given twice, which would silently replace the other."""
    structures = dict(pairs)
    if len(structures) < len(pairs) or len(set(structures.values())) < len(pairs):
        names = [name for _, name in pairs]
        checks.invalid_value("evaluate", option, "name every label and every structure once", names)
    return structures


def _labels(text: str) -> _NamedLabels | Path:
    """Return labels and their names, or a file that exists."""
    if not _LABEL.fullmatch(text):
        if Path(text).is_file():
            return Path(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form LABEL or LABEL=NAME, and no file")
    texts = [text] if "=" in text else text.split(",")
    pairs: _NamedLabels = []
    for values, _, name in (one.partition("=") for one in texts):
        numbers = tuple(map(int, values.split("+")))
        pairs.append((numbers if len(numbers) > 1 else numbers[0], name or values))
    return pairs


def _channel(text: str) -> tuple[int, str]:
    """Return the position and the name of a channel: `0=lung`, `1`."""
    number, _, name = text.partition("=")
    if not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CHANNEL or CHANNEL=NAME")
    return int(number), name or number


def _is_folder(text: str) -> bool:
    """Return whether a word among metrics or labels is a folder or a pattern of paths, which ends them."""
    path = Path(text)
    return path.is_dir() or (bool(set(text) & set("/{")) and not path.is_file())  # a file in a folder has labels


_SUMMARY = "compare folders of predictions with a folder of references"
EVALUATE_COMMAND = Command("evaluate", _SUMMARY, _run_evaluate, {
    "predictions": {"nargs": "+", "help": "folder of a method, or pattern such as results/{subject}_seg.nii.gz"},
    "references": {"help": "likewise, one for all methods"},
    "--methods": {"nargs": "+", "metavar": "NAME", "help": "names of the methods (those of the folders)"},
    "--labels": {"nargs": "+", "type": _labels, "default": [], "metavar": "LABEL[=NAME]",
                 "until": lambda text: not _LABEL.fullmatch(text) and _is_folder(text),
                 "help": "labels, for example 1=liver 2=tumour 1+2=whole, 1,2,3 or a file that has them, such as "
                         "dataset.json; without, those that the files name, or that occur in the references, or else "
                         "images are masks"},
    "--channels": {"nargs": "+", "type": _channel, "default": [], "metavar": "CHANNEL[=NAME]", "until": _is_folder,
                   "help": "channels that hold a mask each, for example 0=lung 1=heart"},
    "--ignore": {"nargs": "+", "type": int, "metavar": "LABEL", "until": _is_folder,
                 "help": "labels of the references where nothing is known (nnU-Net's from --labels dataset.json)"},
    "--metrics": {"nargs": "+", "default": ["DICE", "HDRFDST95", "VOLSMTY"], "metavar": "METRIC", "until": _is_folder,
                  "help": "names or abbreviations, see `mia metrics` (DICE HDRFDST95 VOLSMTY)"},
    "--convention": {"metavar": "NAME",
                     "help": "whose numbers to give, if not ours: deepmind, monai, metrics_reloaded, medpy, panoptica, "
                             "torchmetrics, simpleitk, skimage, nnunet, brats or pymia"},
    "--probabilities": {"nargs": "+", "metavar": "FOLDER",
                        "help": "for metrics such as ECE: folder of a method, or pattern, of nnU-Net's .npz files or "
                                "images with a channel for each label"},
    "--folder-layout": {"choices": ("nnunet", "decathlon", "bids"),
                        "help": "how label maps lie in folders that have more in them"},
    "--output": {"type": Path, "metavar": "FILE",
                 "help": "file to write the values to, .csv, .json, .parquet or .xlsx; beside it lie a record of the "
                         "run, and until it is complete a journal of finished cases"},
    "--layout": {"choices": ("long", "wide"), "default": "long",
                 "help": "a row per value with all that is known of it (long), or a column per metric (wide)"},
    "--resume": {"action": "store_true", "help": "go on where an interrupted run with the same output stopped"},
    **AFFINE,
    **SPACING,
    **ALIGN,
    **JOBS,
    **{name: COUNTING[name] for name in ("--policy", "--missing", "--infinite")},
    **JSON,
    "--dask": {"metavar": "ADDRESS", "help": "evaluate on this dask cluster, which sees the same folders"},
}, example="mia evaluate net_a net_b references --labels 1=cube 2=edge --metrics DICE --output table.csv")  # fmt: skip
