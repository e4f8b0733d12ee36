"""Numbers that callers give, checked against what the core takes."""

from __future__ import annotations

import math
import operator
from typing import Any, Optional

from ._errors import InvalidArgumentError

_MAX_SECONDS = 3600


def uint32(name: str, value: Any) -> int:
    """An unsigned number of 32 bits; `name` is for the error."""
    return whole(name, value, 0, 2**32 - 1)


def uint64(name: str, value: Any) -> int:
    """An unsigned number of 64 bits; `name` is for the error."""
    return whole(name, value, 0, 2**64 - 1)


def whole(name: str, value: Any, least: int, limit: int) -> int:
    """A whole number from `least` to `limit`; `name` is for the error."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name} must be a whole number, not {value!r}") from None
    if not least <= number <= limit:
        raise InvalidArgumentError(f"{name} of {number} is not in {least} to {limit}")
    return number


def milliseconds(name: str, seconds: object) -> int:
    """Seconds as whole milliseconds, rounded up; `name` is for the error."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(seconds).__name__}")
    if not 0 < seconds <= _MAX_SECONDS:
        raise InvalidArgumentError(f"{name} of {seconds} seconds is not in 0.001 to {_MAX_SECONDS}")
    return math.ceil(seconds * 1000)


def timeout_ms(timeout: Optional[float]) -> int:
    """The milliseconds of a timeout of one call; None is the client's own, which the core knows as 0."""
    return 0 if timeout is None else milliseconds("timeout", timeout)
