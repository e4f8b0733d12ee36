"""Portable values: objects as JSON, for readers in every language (FLAG_PORTABLE).

Null, booleans, floats, lists and maps with text keys, and what they hold. Tuples are written as lists and dataclasses as
maps of their fields, so these come back as list and dict. Byte strings have no form in JSON and are refused inside a
portable value; on their own they are stored as what they are.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from ._errors import InvalidArgumentError

_SCALARS = (str, int, bool, type(None))


def encode(value: Any) -> bytes:
    """The JSON of an object. Raises InvalidArgumentError naming the part that has no form in JSON."""
    try:
        return json.dumps(_plain(value, "value"), ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError:
        raise InvalidArgumentError("value is nested too deeply, or holds itself, and cannot be portable") from None
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"value holds text that is not valid Unicode and cannot be portable: {error}"
        ) from error


def decode(data: bytes) -> Any:
    """The object of portable bytes. Raises ValueError when they are not JSON."""
    return json.loads(data.decode(), parse_constant=_refuse_constant)


def _plain(value: Any, path: str) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise InvalidArgumentError(f"{path} is {value!r}, which has no form in JSON and cannot be portable")
        return value
    if kind is list or kind is tuple:
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        return {_text(name, path): _plain(item, f"{path}[{name!r}]") for name, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return {
            field.name: _plain(getattr(value, field.name), f"{path}.{field.name}") for field in dataclasses.fields(kind)
        }
    raise InvalidArgumentError(f"{path} is of type {kind.__name__}, which has no form in JSON and cannot be portable")


def _text(name: Any, path: str) -> str:
    if type(name) is not str:
        raise InvalidArgumentError(f"{path} has the key {name!r}, which is not text and cannot be portable")
    return name


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
