"""One decorator for all metrics of a statistic: a formula of its record is called with the record or with the pair."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar, cast, overload

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["MetricFunction", "derived_from", "derived_from_each", "record_maker"]

_Formula = ParamSpec("_Formula")
"""The parameters of a formula: its record and its options."""

_Options = ParamSpec("_Options")
"""The options of a formula alone."""

_Record = TypeVar("_Record")
"""The kind of record that a statistic makes of a pair, or of each label."""


class MetricFunction(Protocol[_Formula]):
    """A metric, called with its record as the formula is, or with the pair and the options of the statistic."""

    @property
    def __name__(self) -> str:
        """The public name."""

    @overload
    def __call__(self, *record: _Formula.args, **options: _Formula.kwargs) -> Array: ...

    # Python's types cannot join the keywords of two functions: the usual ones of the statistics are written out, and
    # the rest is checked at run time.
    @overload
    def __call__(
        self,
        prediction: Array,
        reference: Array,
        *,
        labels: Labels | Iterable[Label] | None = None,
        axis: int | tuple[int, ...] | None = None,
        mask: Array | None = None,
        spacing: Spacing = ...,
        **options: Any,
    ) -> Array: ...


def derived_from(
    statistic: Callable[..., Any],
    *records: type,
    one_per_label: bool = False,
    shortcut: Callable[..., Any] | None = None,
) -> Callable[[Callable[_Formula, Array]], MetricFunction[_Formula]]:
    """Return a decorator that lets `metric(record, **options)` be called as `metric(prediction, reference, **options)`.

    Keywords that the formula does not have go to `statistic`, so `spacing=`, `labels=`, `axis=` pass through. Signature
    and docstring of the metric show both forms, and its name begins the messages of the statistic.

    Args:
        statistic: The function that makes the record from a pair.
        records: The kinds of `NamedTuple` that the formula takes as its only positional argument.
        one_per_label: Whether the formula also takes a tuple of records, which the statistic returns for labels.
        shortcut: Makes records in less time that are as good for the formula, with the parameters of the statistic.
    """
    first, second, *pair_options = inspect.signature(statistic).parameters.values()
    make_record = shortcut or statistic

    def decorate(formula: Callable[_Formula, Array]) -> MetricFunction[_Formula]:
        name = formula.__name__
        record, *options = inspect.signature(formula).parameters.values()
        own = {option.name for option in options}
        pair_form = Signature([first, second, *pair_options, *options])
        calls = _call(name, [record, *options]), _call(name, pair_form.parameters.values())

        def check_form(value: object, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
            if record.name in keywords or (len(arguments) == 1 and "reference" not in keywords):
                kinds = " or ".join(kind.__name__ for kind in records)
                actual = type(value).__name__ if isinstance(value, tuple) else checks.describe(value)
                requirement = f"be {kinds} (or pass prediction and reference)"
                raise TypeError(checks.message(name, record.name, requirement, actual)) from None
            try:
                pair_form.bind(*arguments, **keywords)
            except TypeError as error:
                raise TypeError(f"{name}() {error}; call {calls[0]} or {calls[1]}.") from None

        @_array.one_node
        @functools.wraps(formula)
        def metric(*arguments: Any, **keywords: Any) -> Any:
            if "zero_division" in keywords:  # texts and arrays would broadcast with the values, without a word
                checks.one_number(name, "zero_division", keywords["zero_division"])
            value = arguments[0] if arguments else keywords.get(record.name)
            entries = value if one_per_label and type(value) is tuple else (value,)
            if entries and all(isinstance(entry, records) for entry in entries):
                return formula(*arguments, **keywords)
            try:
                computed = make_record(*arguments, **{key: keywords[key] for key in keywords if key not in own})
            except Exception as error:
                # Only calls that failed are looked at: to bind arguments takes longer than to count a small mask.
                if isinstance(error, TypeError):
                    check_form(value, arguments, keywords)
                with checks.speaking_for(name, statistic.__name__):
                    raise
            return formula(computed, **{key: keywords[key] for key in own & keywords.keys()})

        metric.__doc__ = _with_forms(formula.__doc__, calls)
        metric.__signature__ = _both_forms(record, pair_form)  # type: ignore[attr-defined]
        metric.shortcut = None if shortcut is None else (statistic, shortcut)  # type: ignore[attr-defined]
        return metric

    return decorate


def derived_from_each(
    statistic: Callable[..., Any],
    record: type[_Record],
    *,
    evaluate: Callable[[Callable[..., Array], _Record, dict[str, Any]], Array] | None = None,
    shortcut: Callable[..., Any] | None = None,
) -> Callable[
    [Callable[Concatenate[_Record, _Options], Array]],
    MetricFunction[Concatenate[_Record | tuple[_Record, ...], _Options]],
]:
    """Return what `derived_from` does, for a statistic that makes a record of its own for each label.

    Args:
        statistic: The function that makes the record from a pair, or with labels a tuple of them.
        record: The kind of record.
        evaluate: From a formula, a record and the options to the value; by default the formula is called.
        shortcut: As in `derived_from`.
    """

    def decorate(
        formula: Callable[Concatenate[_Record, _Options], Array],
    ) -> MetricFunction[Concatenate[_Record | tuple[_Record, ...], _Options]]:
        compute: Callable[..., Array] = formula

        def value_of(found: _Record, options: dict[str, Any]) -> Array:
            return compute(found, **options) if evaluate is None else evaluate(compute, found, options)

        name = next(iter(inspect.signature(formula).parameters))

        @functools.wraps(formula)
        def metric(*arguments: Any, **options: Any) -> Array:
            found = arguments[0] if arguments else options.pop(name)
            if isinstance(found, record):
                return value_of(found, options)
            values = [value_of(one, options) for one in found]
            return _array.array_namespace(*values).stack(values)

        return derived_from(statistic, record, one_per_label=True, shortcut=shortcut)(metric)

    return decorate


def record_maker(metric: Callable[..., Any], statistic: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes the record of a metric from a pair: its statistic, or a shortcut that it has to that.

    Args:
        metric: A function of the record.
        statistic: What makes the record, perhaps with options that `functools.partial` has set.
    """
    whole, short = getattr(metric, "shortcut", None) or (None, None)
    if short is None or getattr(statistic, "func", statistic) is not whole:
        return statistic
    if not isinstance(statistic, functools.partial):
        return cast("Callable[..., Any]", short)
    return functools.partial(short, *statistic.args, **statistic.keywords)


class _Unset(NamedTuple):
    """The default, in a signature of both forms, of what one form needs and the other lacks."""

    def __repr__(self) -> str:
        """Return what stubs write."""
        return "..."


def _both_forms(record: Parameter, pair_form: Signature) -> Signature:
    """Return one signature for both forms, which binds whatever one of them does."""
    first, second, *options = (
        entry.replace(default=_Unset()) if entry.default is Parameter.empty else entry
        for entry in pair_form.parameters.values()
    )
    first = first.replace(annotation=first.annotation | record.annotation)
    record = record.replace(kind=Parameter.KEYWORD_ONLY, default=_Unset())
    return Signature([first, second, record, *options], return_annotation=Array)


def _call(function: str, parameters: Iterable[Parameter]) -> str:
    """Return how a function is called, in words without types."""
    words = []
    for parameter in parameters:
        if parameter.kind is Parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        default = getattr(parameter.default, "__name__", repr(parameter.default))
        words.append(parameter.name if parameter.default is Parameter.empty else f"{parameter.name}={default}")
    return f"{function}({', '.join(words)})"


def _with_forms(docstring: str | None, calls: Iterable[str]) -> str:
    """Return a docstring with a section of the two forms, before its arguments; that section alone under `-OO`."""
    forms = "\n".join(["Forms:", *(f"    {call}" for call in calls)])
    if not docstring:
        return forms
    head, arguments, tail = inspect.cleandoc(docstring).partition("Args:\n")
    return f"{head.rstrip()}\n\n{forms}\n\n{arguments}{tail}"
