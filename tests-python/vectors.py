"""The vectors of conformance/, which every language's suite runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def vectors(file: str) -> list[dict[str, Any]]:
    """The cases of a file that are for Python."""
    content = json.loads((ROOT / "conformance" / file).read_text(encoding="utf-8"))
    return [case for case in content["cases"] if "python" in case.get("suites", content["suites"])]


def each_vector(file: str, run: Callable[[dict[str, Any]], None]) -> None:
    """Runs the cases of a file, all of them also when some fail, and notes down for conformance/check.py how many."""
    cases = vectors(file)
    failed: list[str] = []
    first: Exception | None = None
    for case in cases:
        try:
            run(case)
        except Exception as error:
            first = first or error
            failed.append(f"{case['name']}: {error}")
    if failed:
        raise AssertionError(f"{len(failed)} of {len(cases)} cases of {file} failed:\n" + "\n".join(failed)) from first
    folder = ROOT / "target" / "vectors" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(str(len(cases)))


def bytes_of(part: Any) -> bytes:
    """The bytes of a string, {base64}, or {repeat, times}."""
    if isinstance(part, str):
        return part.encode()
    return base64.b64decode(part["base64"]) if "base64" in part else part["repeat"].encode() * part["times"]


def value_of(tagged: dict[str, Any]) -> Any:
    """The value of {null}, {boolean}, {integer}, {float}, {text}, {bytes}, {list} or {map}."""
    [(kind, content)] = tagged.items()
    if kind == "list":
        return [value_of(one) for one in content]
    if kind == "map":
        return {name: value_of(one) for name, one in content.items()}
    read = {
        "null": lambda _: None,
        "boolean": bool,
        "integer": int,
        "float": float,
        "text": lambda text: bytes_of(text).decode(),
        "bytes": base64.b64decode,
    }
    return read[kind](content)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in type, sign and content, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return repr(one) == repr(other)
