"""Look for an example that breaks a law, and say it in one text: the law, what is wrong, the smallest example."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mia_functional._core import checks, optional

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy  # an optional package

__all__ = ["Stated", "by_name", "require_kept"]


class Stated(NamedTuple):
    """A law about something that is checked.

    Attributes:
        name: Name of the law.
        statement: What holds.
        check: From an example, and what was made of it, to what is wrong; "" if the law is kept.
    """

    name: str
    statement: str
    check: Callable[[Any, Any], str]


def require_kept(
    function: str, subject: str, laws: Sequence[Stated], cases: "SearchStrategy[Any]", examples: int,
    *, prepare: Callable[[Any], Any],
) -> None:  # fmt: skip
    """Raise an `AssertionError` if a law is broken by one of so many examples; Hypothesis finds a small one.

    Args:
        function: Name for messages.
        subject: Name of what is checked.
        laws: In the order in which they are tried on each example.
        cases: A strategy of `NamedTuple`s.
        examples: Most examples.
        prepare: What all laws need of an example, made once; the first law is broken where it fails.
    """
    hypothesis = optional.require("hypothesis")
    count = checks.integer(function, "examples", examples, minimum=1)
    # Once a law is broken, smaller examples are looked for that break the same one.
    broken: list[Stated] = []

    def prepared(case: Any) -> Any:
        try:
            return prepare(case)
        except Exception:
            # It breaks the first law, and says nothing of another one that smaller examples are looked for.
            hypothesis.assume(not broken or broken[0] is laws[0])
            raise

    def look(case: Any) -> None:
        law, wrong, cause = (broken or laws)[0], "", None
        try:
            made = prepared(case)
            for law in broken or laws:
                wrong = law.check(case, made)
                if wrong:
                    break
        except Exception as error:
            if type(error).__module__.partition(".")[0] == "hypothesis":  # of `assume` in a user's function
                raise
            wrong, cause = f"{type(error).__name__}: {error}", error
        if wrong:
            broken[:] = [law]
            fields = zip(case._fields, case, strict=True)
            example = "\n".join(f"  {name} = {_as_python(value)}" for name, value in fields if value is not None)
            text = f'{function}: {subject} breaks the law "{law.name}" ({law.statement}): {wrong}.'
            raise AssertionError(f"{text}\nExample:\n{example}") from cause

    # The same examples in every run, and one offender in the end. A deadline would fail slow metrics, and a database
    # would leave a folder wherever users run their tests.
    settings = hypothesis.settings(
        max_examples=count, deadline=None, database=None, derandomize=True, report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    settings(hypothesis.given(cases)(look))()


def _as_python(value: object) -> str:
    """Return a value of an example as Python reads it: arrays by their entries and dtype."""
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()}, {str(value.dtype)!r})"
    if isinstance(value, tuple) and any(isinstance(entry, np.ndarray) for entry in value):
        return f"({', '.join(map(_as_python, value))})"
    return repr(value)


def by_name(function: str, table: Sequence[Any], names: Sequence[str] | None, applying: Sequence[Any]) -> list[Any]:
    """Return the laws of a table that are asked for by name, in its order: all that apply for None.

    Raises:
        ValueError: There is no law of that name, or it does not apply to what is claimed.
    """
    if names is None:
        return list(applying)
    if isinstance(names, str) or not isinstance(names, Sequence):
        checks.invalid_kind(function, "laws", "be a sequence of names of laws", checks.describe(names))
    for name in names:
        checks.one_of(function, "laws", name, [law.name for law in table])
        if name not in [law.name for law in applying]:
            apply = ", ".join(law.name for law in applying)
            checks.invalid_value(function, "laws", f"be laws that apply to what is claimed ({apply})", repr(name))
    return [law for law in applying if law.name in names]
