"""Expiry times, without a server."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cmemcache._expiry import seconds_of

UTC = timezone.utc


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (0, 0),
        (60, 60),
        (-1, -1),
        (2**31 - 1, 2**31 - 1),
        (0.0, 0),
        (0.1, 1),
        (59.1, 60),
        (-0.5, -1),
        (timedelta(seconds=60), 60),
        (timedelta(milliseconds=1), 1),
        (timedelta(0), -1),
        (timedelta(seconds=-3), -1),
        (timedelta(days=365), 365 * 86400),
        (datetime(2030, 1, 1, tzinfo=UTC), 1893456000),
        (datetime(2030, 1, 1, microsecond=1, tzinfo=UTC), 1893456001),
        (datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 1893456000),
        (datetime(1990, 1, 1, tzinfo=UTC), -1),
    ],
)
def test_times_are_whole_seconds_rounded_up(time: Any, seconds: int) -> None:
    assert seconds_of(time) == seconds


@pytest.mark.parametrize("time", [True, "60", None, [], object()])
def test_what_is_no_time_is_a_type_error(time: Any) -> None:
    with pytest.raises(TypeError, match="time must be"):
        seconds_of(time)


@pytest.mark.parametrize(
    ("time", "named"),
    [
        (datetime(2030, 1, 1), "time zone"),
        (float("nan"), "finite"),
        (float("-inf"), "finite"),
        (2**63, "64 bits"),
        (timedelta.max, "lifetime"),
    ],
)
def test_times_out_of_range_name_the_limit(time: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        seconds_of(time)


def test_numbers_of_other_types_count_as_what_they_are() -> None:
    class Index:
        def __index__(self) -> int:
            return 7

    assert seconds_of(Index()) == 7
