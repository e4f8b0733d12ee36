"""Writes ../values.json: values, and their bytes and flags in every language.

Run it where python-memcached 1.62 is installed, whose form of text, byte strings and integers these have to be:
`python values.py`.
"""

import json
import zlib
from base64 import b64encode
from pathlib import Path

import memcache

from vectors import write

REGISTRY = json.loads((Path(__file__).parent.parent / "flags.json").read_text())
FLAGS = {case["name"]: case["flags"] for case in REGISTRY["cases"] if "flags" in case}
BYTES, INTEGER, LONG, TEXT = (FLAGS[name] for name in ("FLAG_BYTES", "FLAG_INTEGER", "FLAG_LONG", "FLAG_TEXT"))
PICKLE, ZLIB, PORTABLE, JAVA, LEASE = (
    FLAGS[name] for name in ("FLAG_PICKLE", "FLAG_ZLIB", "FLAG_PORTABLE", "FLAG_JAVA", "FLAG_LEASE")
)
CASES = []


def raw(data):
    """Bytes as the vectors have them: a string if they are UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def tagged(value):
    """A value with its type."""
    if value is None:
        return {"null": True}
    kind = type(value)
    if kind is list:
        return {"list": [tagged(one) for one in value]}
    if kind is dict:
        return {"map": {name: tagged(one) for name, one in value.items()}}
    if kind is bytes:
        return {"bytes": b64encode(value).decode()}
    names = {bool: ("boolean", bool), int: ("integer", str), float: ("float", repr), str: ("text", str)}
    name, told = names[kind]
    return {name: told(value)}


def shared(name, value):
    """A value that python-memcached writes in the same bytes and flags."""
    flags, _, data = memcache.Client([])._val_to_store_info(value, 0)
    CASES.append({"name": name, "value": tagged(value), "flags": flags, "writes": [raw(data)]})


def portable(name, value, *forms):
    """A value that is JSON, in any of these forms."""
    CASES.append({"name": name, "value": tagged(value), "flags": PORTABLE, "writes": list(forms)})


def read(name, data, flags, value, **more):
    """A stored form that nobody writes, and that is read everywhere."""
    CASES.append({"name": name, "reads": raw(data), "flags": flags, "value": tagged(value), **more})


def bad(name, data, flags, error, **more):
    """A stored form that nobody may take for a value."""
    CASES.append({"name": name, "reads": raw(data), "flags": flags, "error": error, **more})


def scalars():
    for name, text in {
        "empty text": "",
        "text": "plain text",
        "text beyond ASCII": "grüße 鍵 🔑",
        "text that looks like JSON": '{"a": 1}',
        "text that looks like a number": "42",
        "text with control characters": "a\r\n\0\x1b\x7fb",
        "text that begins with a byte order mark": "\ufeffmark",
    }.items():
        shared(name, text)
    shared("no bytes", b"")
    shared("bytes", b"plain bytes")
    shared("every byte", bytes(range(256)))
    for number in (0, 1, -1, 42, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)):
        shared(f"the integer {number}", number)


def large_integers():
    why = {"suites": ["python", "kotlin"]}
    for number in (2**64, -(2**63) - 1, 10**30):
        shared(f"the integer {number}", number)
        CASES[-1] |= why
    shared(f"the integer {2**63}", 2**63)
    shared(f"the integer {2**64 - 1}", 2**64 - 1)
    read("an integer beyond 64 bits inside of a list", b"[18446744073709551616]", PORTABLE, [2**64], **why)


def json_values():
    portable("null", None, "null")
    portable("true", True, "true")
    portable("false", False, "false")
    portable("a float", 2.5, "2.5")
    portable("a float of no fraction", 3.0, "3.0")
    portable("the largest float", 1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157E308")
    portable("the smallest float", 5e-324, "5e-324", "4.9E-324", "4.9406564584124654e-324")
    portable("negative zero", -0.0, "-0.0")
    portable("an empty list", [], "[]")
    portable("a list", [1, "two", None, True, 2.5], '[1,"two",null,true,2.5]')
    portable("lists in lists", [[1, [2, []]], []], "[[1,[2,[]]],[]]")
    portable("an empty map", {}, "{}")
    portable("a map", {"a": 1}, '{"a":1}')
    portable("a map of lists of maps", {"a": [{"b": {"c": None}}]}, '{"a":[{"b":{"c":null}}]}')
    portable("a key of no characters", {"": 1}, '{"":1}')
    portable("text in a list", ['grüße 🔑 "\\'], '["grüße 🔑 \\"\\\\"]')
    portable("a slash in a list", ["a/b"], '["a/b"]', '["a\\/b"]')
    for number in (2**53 + 1, 2**63 - 1, -(2**63)):
        portable(f"the integer {number} in a list", [number], f"[{number}]")
    read("a map in another order, with space", b'{ "b" : 2,\n"a" : [ ] }', PORTABLE, {"a": [], "b": 2})
    read("escaped text", rb'["\u00fc\ud83d\ude00\/"]', PORTABLE, ["ü😀/"])


def other_forms():
    read("an integer of python-memcached for Python 2", b"5", LONG, 5)
    read("what decr leaves of 10", b"9 ", INTEGER, 9)
    read("compressed text", zlib.compress(b"text"), TEXT | ZLIB, "text")
    read("compressed bytes", zlib.compress(b"\0\1"), BYTES | ZLIB, b"\0\1")
    read("compressed JSON", zlib.compress(b"[1,2]"), PORTABLE | ZLIB, [1, 2])
    read("a compressed integer", zlib.compress(b"12"), INTEGER | ZLIB, 12)


def refused():
    for name, number in (("NaN", float("nan")), ("infinity", float("inf")), ("negative infinity", float("-inf"))):
        CASES.append(
            {"name": name, "value": tagged(number), "refused": "UnencodableValue", "suites": ["python", "swift"]}
        )


def malformed():
    undecodable = "UndecodableValue"
    bad("text that is not UTF-8", b"\xff\xfe", TEXT, undecodable)
    bad("text with half a character", "ü".encode()[:1], TEXT, undecodable)
    bad("an integer of no digits", b"", INTEGER, undecodable)
    bad("an integer of letters", b"five", INTEGER, undecodable)
    bad("an integer with a fraction", b"1.5", INTEGER, undecodable)
    bad("JSON that ends early", b'{"a":', PORTABLE, undecodable)
    bad("no JSON", b"", PORTABLE, undecodable)
    bad("JSON that is not UTF-8", b'["\xff"]', PORTABLE, undecodable)
    bad("JSON with something behind it", b"[1] 2", PORTABLE, undecodable)
    for word in ("NaN", "Infinity", "-Infinity", "1d", "0x1p3", "nul", "True"):
        bad(f"{word}, which is not JSON", word.encode(), PORTABLE, undecodable)
        bad(f"{word} in a list, which is not JSON", f"[{word}]".encode(), PORTABLE, undecodable)
    bad("a list with a comma too many", b"[1,]", PORTABLE, undecodable, suites=["python", "kotlin"])
    stream = zlib.compress(b"text")
    bad("a compressed value cut off", stream[:-1], TEXT | ZLIB, undecodable)
    bad("no compressed value", b"text", TEXT | ZLIB, undecodable)
    bad("a compressed value of no bytes", b"", TEXT | ZLIB, undecodable)
    bad("a compressed value with a wrong checksum", stream[:-1] + b"\0", TEXT | ZLIB, undecodable)


def foreign():
    java = b"\xac\xed\x00\x05t\x00\x04text"
    elsewhere = {"suites": ["kotlin", "swift"]}
    bad("a pickle", b"I01\n.", PICKLE, "ForeignValue", writer="Python", **elsewhere)
    bad("a compressed pickle", zlib.compress(b"I01\n."), PICKLE | ZLIB, "ForeignValue", writer="Python", **elsewhere)
    bad("a Java object", java, JAVA, "ForeignValue", writer="Java", suites=["python", "swift"])
    bad(
        "a compressed Java object",
        zlib.compress(java),
        JAVA | ZLIB,
        "ForeignValue",
        writer="Java",
        suites=["python", "swift"],
    )
    bad("a Java object under the flag of pickles", java, 1, "ForeignValue", writer="spymemcached")
    bad("the marker of a lease", b"", LEASE, "ForeignValue", writer="lease")
    types = {
        0x100: b"1",
        0x200: b"\1",
        0x300: b"",
        0x400: b"\1",
        0x500: b"\1",
        0x600: b"\1",
        0x700: b"\1",
        0x800: b"\1",
    }
    for flags, data in types.items():
        bad(f"flags 0x{flags:x} of spymemcached", data, flags, "ForeignValue", writer="spymemcached")
    for flags in (32, 64, 0x8000, 0x10000, 0x80000, 0x7FFFFFE0, 0x80000000):
        bad(f"flags 0x{flags:x}, which nobody writes", b"data", flags, "UnknownFlags", writer="flags")


for part in (scalars, large_integers, json_values, other_forms, refused, malformed, foreign):
    part()
ABOUT = (
    "Values with their types ({null}, {boolean}, {integer}, {float}, {text}, {bytes} as base64, {list}, {map}), and what is "
    "stored for them. writes: a client writes the value in one of these forms, under these flags, and reads each of them back; "
    "reads: the stored form is read as the value, or ends with this error, whose message names the writer. refused: storing "
    "ends with this error. Bytes are a string, which is UTF-8, or {base64}."
)
WHY = (
    "In Rust values are bytes and flags, whose meaning is the program's. Swift's integers have 64 bits. A language reads its "
    "own native objects. Kotlin writes NaN and the infinities, which JSON cannot, as Java objects. Foundation reads lists with "
    "a comma too many."
)
write("values.json", ABOUT, CASES, ["python", "kotlin", "swift"], WHY)
