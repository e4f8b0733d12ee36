"""An unpickler that builds only what it was told to, for pickles that others may have written.

It is the standard library's own in Python, not the faster one in C, because three of the ways around an allow-list can only
be closed there: attributes set on a class (BUILD), the extension registry, which keeps objects of earlier pickles, and
tables that a number in the pickle makes as large as the memory.

Code of others does not run. Time and memory are not bounded: a small pickle can ask for a large object.
"""

from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import fractions
import pickle
import uuid
from collections.abc import Iterable
from typing import Any, BinaryIO, Callable, ClassVar

from ._errors import ForbiddenClassError

_KINDS: tuple[type, ...] = (
    *(bool, bytearray, bytes, complex, dict, float, frozenset, int, list, object, range, set, slice, str, tuple),
    *(collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, fractions.Fraction, uuid.SafeUUID, uuid.UUID),
)
#: Python 2's names, which the protocols 0 to 2 use.
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_OLD_NAMES = {"long": "int", "unicode": "str", "xrange": "range"}

Globals = dict[tuple[str, str], Any]


def _encode(text: str, encoding: str) -> bytes:
    """What the protocols 0 to 2 make bytes with. No other encoding is looked up: that would import its module."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes as text in {encoding!r}")
    return text.encode("latin-1")


def globals_of(allowed: Iterable[Any]) -> Globals:
    """The globals that pickles may name, by module and qualified name: the default ones and these classes or functions."""
    found: Globals = {(kind.__module__, kind.__qualname__): kind for kind in _KINDS}
    found["_codecs", "encode"] = _encode
    found["copyreg", "_reconstructor"] = copyreg._reconstructor  # type: ignore[attr-defined]
    for one in allowed:
        module, name = getattr(one, "__module__", None), getattr(one, "__qualname__", None)
        if not (callable(one) and isinstance(module, str) and isinstance(name, str)):
            raise TypeError(f"allowed must hold classes and functions, not {one!r}")
        found[(module, name)] = one
    return found


class RestrictedUnpickler(pickle._Unpickler):
    """Reads pickles of the allowed globals. Everything else raises ForbiddenClassError and is not imported."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO, allowed: Globals) -> None:
        super().__init__(file)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """The allowed object of this name. A dotted one is no way to an attribute: it has to be allowed as a whole."""
        known = name
        if module == "__builtin__":
            known = _OLD_NAMES.get(name, name)
        try:
            return self._allowed[_OLD_MODULES.get(module, module), known]
        except KeyError:
            raise ForbiddenClassError(
                f"its pickle names {module}.{name}, which is not allowed; if that is harmless in the hands of whoever can "
                f"write to the cache, add it to the client's allowed",
                name=f"{module}.{name}",
            ) from None

    def get_extension(self, code: int) -> None:
        raise ForbiddenClassError(f"its pickle uses the extension registry (code {code}), which is not allowed")

    def _build(self) -> None:
        # A state is given to objects of the pickle, never to what it names: that is the program's own.
        target = self.stack[-2]  # type: ignore[attr-defined]
        if isinstance(target, type) or any(target is one for one in self._allowed.values()):
            raise ForbiddenClassError(f"its pickle sets attributes of {target!r} itself, which is not allowed")
        pickle._Unpickler.load_build(self)  # type: ignore[attr-defined]

    dispatch[pickle.BUILD[0]] = _build


def unpickler(allowed: Iterable[Any]) -> Callable[[BinaryIO], RestrictedUnpickler]:
    """What a client makes its unpicklers with."""
    found = globals_of(allowed)
    return lambda file: RestrictedUnpickler(file, found)
