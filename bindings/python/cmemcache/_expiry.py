"""Expiry times: what callers may give, as the whole seconds that the core takes."""

from __future__ import annotations

import math
import operator
from datetime import datetime, timedelta
from typing import SupportsIndex, Union

from ._errors import InvalidArgumentError

#: A lifetime or a moment. 0 never expires; a negative number expires at once; below 10^9 it is a lifetime in seconds from
#: now (longer than 30 days too); from 10^9 to 2^31-1 it is a moment in seconds since 1970. Fractions are rounded up. A
#: timedelta is a lifetime, and one of nothing or less expires at once. A datetime is a moment and must know its time zone.
Expiry = Union[int, float, timedelta, datetime]

LAST_MOMENT = 2**31 - 1
_FIRST_MOMENT = 1_000_000_000
_EXPIRED = -1


def seconds_of(time: Union[Expiry, SupportsIndex]) -> int:
    """The seconds to send for an expiry time.

    Raises TypeError for a bool or a type that is no time, InvalidArgumentError for a datetime without time zone, a number
    that is not finite, and one that does not fit in 64 bits.
    """
    if type(time) is int:
        seconds = time
    elif isinstance(time, bool):
        raise TypeError(f"time must be a number of seconds, a timedelta or a datetime, not {time!r}")
    elif isinstance(time, timedelta):
        seconds = _seconds_of_lifetime(time)
    elif isinstance(time, datetime):
        seconds = _seconds_of_moment(time)
    elif isinstance(time, float):
        if not math.isfinite(time):
            raise InvalidArgumentError(f"time of {time!r} is not a finite number of seconds")
        # Up, because 0.5 rounded down would be 0, which never expires.
        seconds = math.ceil(time) if time > 0 else math.floor(time)
    else:
        seconds = _seconds_of_index(time)
    if not -(2**63) <= seconds < 2**63:
        raise InvalidArgumentError(f"time of {seconds} seconds does not fit in 64 bits")
    return seconds


def _seconds_of_lifetime(lifetime: timedelta) -> int:
    seconds = math.ceil(lifetime.total_seconds())
    if seconds <= 0:
        return _EXPIRED
    if seconds >= _FIRST_MOMENT:
        raise InvalidArgumentError(f"time of {seconds} seconds is a lifetime of more than {_FIRST_MOMENT - 1} seconds")
    return seconds


def _seconds_of_moment(moment: datetime) -> int:
    if moment.utcoffset() is None:
        raise InvalidArgumentError(f"time of {moment!r} has no time zone: give one, as datetime.now(timezone.utc) does")
    seconds = math.ceil(moment.timestamp())
    # A moment before 2001 would be read as a lifetime.
    return _EXPIRED if seconds < _FIRST_MOMENT else seconds


def _seconds_of_index(time: object) -> int:
    try:
        return operator.index(time)  # type: ignore[arg-type]
    except TypeError:
        name = type(time).__name__
        raise TypeError(f"time must be a number of seconds, a timedelta or a datetime, not {name}") from None
