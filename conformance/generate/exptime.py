"""Writes ../exptime.json: what becomes of the times that callers give. `python exptime.py`."""

from vectors import write

DAY = 86_400
NUMBERS = ["rust", "python"]
FRACTIONS = ["python", "kotlin", "swift"]
INVALID = "InvalidArgument"


def lifetime(seconds, ttl, **more):
    return {"name": f"a lifetime of {seconds} s", "lifetime": seconds, "ttl": ttl, **more}


def number(seconds, ttl):
    return {"name": f"the number {seconds}", "number": seconds, "ttl": ttl, "suites": NUMBERS}


def moment(seconds, ttl):
    return {"name": f"the moment in {seconds} s", "moment": seconds, "ttl": ttl, "suites": NUMBERS}


def refused(kind, seconds, suites):
    name = {"lifetime": "a lifetime of", "number": "the number"}[kind]
    return {"name": f"{name} {seconds} s", kind: seconds, "error": INVALID, "suites": suites}


CASES = [
    {"name": "no lifetime", "lifetime": None, "ttl": None},
    *[lifetime(seconds, seconds) for seconds in (100, 30 * DAY - 1, 30 * DAY, 30 * DAY + 1, 31 * DAY, 365 * DAY)],
    lifetime(99.001, 100, suites=FRACTIONS),
    lifetime(30 * DAY + 0.5, 30 * DAY + 1, suites=FRACTIONS),
    lifetime(0, "gone"),
    lifetime(-0.5, "gone", suites=FRACTIONS),
    lifetime(-1, "gone", suites=FRACTIONS),
    lifetime(-(10**9), "gone", suites=FRACTIONS),
    refused("lifetime", 999_999_999, ["rust", "python", "kotlin", "swift"]),
    refused("lifetime", 1_000_000_000, FRACTIONS),
    refused("lifetime", 50_000_000_000, FRACTIONS),
    number(0, None),
    number(-1, "gone"),
    number(-(2**63), "gone"),
    number(100, 100),
    number(30 * DAY, 30 * DAY),
    number(30 * DAY + 1, 30 * DAY + 1),
    number(1_000_000_000, "gone"),
    refused("number", 999_999_999, NUMBERS),
    refused("number", 2**31, NUMBERS),
    refused("number", 2**63 - 1, NUMBERS),
    moment(500, 500),
    moment(40 * DAY, 40 * DAY),
    moment(-10, "gone"),
]
ABOUT = (
    "Times that callers give with a value: a lifetime in seconds (null: for ever), a moment so many seconds from now, or a "
    "bare number of seconds. ttl: about what the server then tells, null if the item never expires; gone: a miss at once."
)
WHY = "Kotlin and Swift take durations, which are lifetimes; Rust counts lifetimes in whole seconds from 0"
write("exptime.json", ABOUT, CASES, why=WHY)
