"""One decorator: a metric written for a statistic can also be called with the pair that the statistic comes from."""

import functools
import inspect
from collections.abc import Callable
from typing import Any


def derived(
    record: type | tuple[type, ...], statistic: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that lets `metric(record, **options)` be called as `metric(prediction, reference, **options)`.

    Keyword options that the formula does not know go to `statistic`, so `spacing=`, `labels=`, `axis=` pass through.

    Args:
        record: The `NamedTuple` (or several) that the formula takes as its only positional argument.
        statistic: The function that makes the record from a pair.
    """

    def decorate(formula: Callable[..., Any]) -> Callable[..., Any]:
        own = set(inspect.signature(formula).parameters)

        @functools.wraps(formula)
        def metric(*arguments: Any, **options: Any) -> Any:
            if len(arguments) == 1 and isinstance(arguments[0], record):
                return formula(*arguments, **options)
            chosen = {name: options.pop(name) for name in own & options.keys()}
            return formula(statistic(*arguments, **options), **chosen)

        return metric

    return decorate
