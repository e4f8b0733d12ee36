"""What may come of a value besides `same`, and why: the notes of docs/conformance.md.

The first rule that fits a cell explains it. A cell that none explains fails the run, as does a rule that explains none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PICKLING = {"Python", "python-memcached", "pymemcache"}
PORTABLE = {"Rust", "Python, portable", "Kotlin", "Swift"}
REGISTRY = PICKLING | PORTABLE
DIALECT = "Kotlin, spymemcached's dialect"
JAVA = {DIALECT, "spymemcached"}

#: The sorts of values of which the rules speak.
JSON = {"JSON", "compressed JSON"}
NOT_FINITE = {"not finite"}
BEYOND_64_BITS = {"beyond 64 bits"}
BEYOND_LONG = {"beyond 64 bits", "beyond 63 bits"}
TEXT = {"text"}
COMPRESSED = {"compressed text", "compressed JSON"}
ANY = JSON | NOT_FINITE | BEYOND_LONG | TEXT | COMPRESSED | {"bytes", "integer", "null"}


def sort_of(value: str) -> str:
    """The sort of a value, by its name."""
    named = {
        "NaN": "not finite",
        "infinity": "not finite",
        "-infinity": "not finite",
        "integer 2^64": "beyond 64 bits",
        "integer -2^63-1": "beyond 64 bits",
        "integer 2^63": "beyond 63 bits",
        "integer 2^64-1": "beyond 63 bits",
        "compressed text": "compressed text",
        "compressed list": "compressed JSON",
        "binary": "bytes",
        "empty byte string": "bytes",
        "null": "null",
    }
    if value in named:
        return named[value]
    if value.startswith("integer"):
        return "integer"
    return "text" if "text" in value else "JSON"


class Rule(NamedTuple):
    """An outcome that is expected of some pairs and sorts of values. Without readers: of storing."""

    writers: set[str]
    readers: set[str]
    sorts: set[str]
    outcome: str
    reason: str


RULES = [
    Rule(
        PICKLING,
        {"Kotlin", "Swift"},
        JSON | NOT_FINITE | {"null"},
        r"refused: (ForeignValueException|foreignValue)",
        "A pickle, which only Python reads; the error says so. Way out: `portable=True` in Python.",
    ),
    Rule(
        REGISTRY,
        {"Swift"},
        BEYOND_64_BITS,
        r"refused: undecodableValue",
        "Swift's integers have 64 bits. Way out: read the digits with `client.strings`.",
    ),
    Rule(
        {"Kotlin"},
        {"Python", "Swift"},
        NOT_FINITE,
        r"refused: (ForeignValueError|foreignValue)",
        "JSON has no NaN and no infinities: Kotlin stores them as Java objects, which only Kotlin and Java read.",
    ),
    Rule(
        REGISTRY | JAVA,
        {"Rust"},
        ANY,
        r"refused: flags \d+",
        "Rust hands out bytes and flags. The program of this matrix reads the plain forms of the registry; pickles, Java "
        "objects and decompression are a program's own.",
    ),
    Rule(
        PORTABLE,
        {"python-memcached"},
        JSON | NOT_FINITE | {"null"},
        r"refused: ValueError",
        "python-memcached does not know these flags, and says so. Way out: store without `portable` in Python, or text.",
    ),
    Rule(
        PORTABLE,
        {"pymemcache"},
        JSON | NOT_FINITE | {"null"},
        r"read as bytes",
        "pymemcache does not know these flags and hands out the bytes, which are JSON.",
    ),
    Rule(
        REGISTRY,
        {DIALECT},
        ANY,
        r"refused: (ForeignValueException|UndecodableValueException)",
        "This dialect reads what spymemcached and xmemcached write, to whom the same flags mean something else.",
    ),
    Rule(
        REGISTRY,
        {"spymemcached"},
        ANY,
        r"read as (null|(other )?text)",
        "spymemcached takes the flags of others for its own: integers for gzip, whose failure it answers with null, as it does "
        "flags that it does not know; bytes and zlib streams for text. Only text is shared with it.",
    ),
    Rule(
        JAVA,
        {"Rust", "Python", "python-memcached", "pymemcache"},
        TEXT,
        r"read as bytes",
        "spymemcached stores text with flags 0, which elsewhere are bytes. Kotlin and Swift read it where text is asked for.",
    ),
    Rule(
        JAVA,
        {"Python", "Kotlin", "Swift"},
        ANY - TEXT,
        r"refused: (ForeignValueError|ForeignValueException|foreignValue)",
        "A form of spymemcached and xmemcached; the error says so. Way out: Kotlin's `Dialect.SPYMEMCACHED`, or text.",
    ),
    Rule(
        JAVA,
        {"Python", "Kotlin", "Swift"},
        COMPRESSED,
        r"refused: (ValueDecodeError|UndecodableValueException|undecodableValue)",
        "spymemcached marks gzip with the flag that is an integer's everywhere else: it is no integer.",
    ),
    Rule(
        JAVA,
        {"python-memcached", "pymemcache"},
        ANY - TEXT,
        r"refused: ValueError|read as (null|bytes)",
        "What these clients make of flags that they do not know, or take for a pickle's.",
    ),
    Rule(
        {"spymemcached"},
        {DIALECT},
        BEYOND_LONG,
        r"refused: ForbiddenClassException",
        "A serialized BigInteger, whose class is not on the list. Way out: `javaClasses`.",
    ),
    Rule(
        {"Rust", "Python, portable", "Swift"},
        set(),
        NOT_FINITE,
        r"not written: (no form in JSON|InvalidArgumentError|unencodableValue)",
        "JSON has no NaN and no infinities.",
    ),
    Rule({"Swift"}, set(), BEYOND_64_BITS, r"not written: no such integer", "Swift's integers have 64 bits."),
    Rule(
        {DIALECT},
        set(),
        BEYOND_LONG | {"null"},
        r"not written: InvalidArgumentException",
        "spymemcached has no form for null, and BigInteger is not on the list of classes. Way out: `javaClasses`.",
    ),
    Rule({"spymemcached"}, set(), {"null"}, r"not written: NullPointerException", "spymemcached has no form for null."),
]

Cell = tuple[str, str, str]


def note_of(writer: str, reader: str, value: str, outcome: str) -> int | None:
    """The number of the rule that expects a cell; the reader is empty for storing."""
    for number, rule in enumerate(RULES):
        fits = writer in rule.writers and (reader in rule.readers if reader else not rule.readers)
        if fits and sort_of(value) in rule.sorts and re.fullmatch(rule.outcome, outcome):
            return number
    return None


def notes_of(cells: dict[Cell, str]) -> tuple[dict[Cell, int], list[str]]:
    """The rule of every cell that is not the same, and what is wrong: cells without one, rules without a cell."""
    notes: dict[Cell, int] = {}
    faults = []
    for (writer, reader, value), outcome in cells.items():
        if outcome == "same":
            continue
        number = note_of(writer, reader, value, outcome)
        if number is None:
            whom = f"to {reader}" if reader else "itself"
            faults.append(f"{value} from {writer} {whom}: {outcome}, which no rule of conformance/expected.py expects")
        else:
            notes[writer, reader, value] = number
    idle = set(range(len(RULES))) - set(notes.values())
    faults += [
        f"conformance/expected.py expects what did not happen: {RULES[number].reason}" for number in sorted(idle)
    ]
    return notes, faults
