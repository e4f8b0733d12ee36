"""The native library: loaded once, its version checked, its two hot symbols bound by hand.

A generated call makes a ctypes structure and serialises every argument, which costs more than a whole get. The generated
symbols of the packed call take integers only, so that binding them directly leaves about half a microsecond.
"""

from __future__ import annotations

import ctypes
import importlib
import struct
from typing import Any, Callable, Optional

from ._version import __version__

_LAYOUT_VERSION = 2
_KEPT = struct.Struct("<QQQ")


def _load() -> Any:
    try:
        generated: Any = importlib.import_module("._ffi.cmemcache", __package__)
    except ImportError as error:
        raise ImportError(
            "cmemcache was not built: its generated module is missing. Install a wheel (pip install cmemcache) or, in a "
            "checkout, run `make build-python`."
        ) from error
    except OSError as error:
        raise ImportError(
            f"cmemcache cannot load its native library: {error}. Reinstall the wheel for this platform or, in a checkout, "
            "run `make build-python`."
        ) from error
    library = generated.library_version()
    layout = generated.packed_layout_version()
    if (library, layout) != (__version__, _LAYOUT_VERSION):
        raise ImportError(
            f"cmemcache {__version__} (packed layout {_LAYOUT_VERSION}) found a native library of version {library} "
            f"(packed layout {layout}). Reinstall the package or, in a checkout, run `make build-python`."
        )
    return generated


#: The generated module.
generated = _load()

# On 64-bit platforms ctypes passes an integer faster as a pointer than as a u64, in the same register.
_u64: Any = ctypes.c_void_p if ctypes.sizeof(ctypes.c_void_p) == 8 else ctypes.c_uint64


def _bind(name: str, arguments: list[Any], result: Any) -> Callable[..., Any]:
    # Indexing makes a new function object, so that the prototypes of the generated module stay as they are.
    function = generated._UniffiLib["uniffi_cmemcache_fn_func_" + name]
    function.argtypes = [*arguments, ctypes.c_void_p]
    function.restype = result
    return function  # type: ignore[no-any-return]


#: packed_call(client, request, its length, value, its length, reply address, its capacity, status address) -> length
packed_call = _bind("packed_call", [_u64, ctypes.c_char_p, _u64, ctypes.c_char_p, _u64, _u64, _u64], ctypes.c_uint64)
# Bound by hand too: the generated function turns what a signal handler raises inside it into a TypeError.
_packed_release = _bind("packed_release", [_u64], None)


class Reply:
    """Memory for one reply at a time, and for the status that every generated symbol writes.

    Whoever takes one owns it until it is given back. One that is dropped on the way, because an exception or a signal cut
    a call short, frees what the library keeps for it.
    """

    __slots__ = ("address", "buffer", "status", "status_address")

    CAPACITY = 65536

    def __init__(self) -> None:
        # Slices of it are bytes.
        self.buffer: Any = ctypes.create_string_buffer(self.CAPACITY)
        self.address = ctypes.addressof(self.buffer)
        self.status = generated._UniffiRustCallStatus.default()
        self.status_address = ctypes.addressof(self.status)

    def kept(self) -> Optional[tuple[int, int, int]]:
        """Address, length and token of the payload that the library keeps, if it keeps one."""
        if not self.buffer[1][0] & 1:
            return None
        address, length, token = _KEPT.unpack_from(self.buffer, 16)
        return address, length, token

    def release(self) -> None:
        """Frees the payload that the library keeps, if any. Doing it twice does no harm."""
        kept = self.kept()
        if kept is not None:
            _packed_release(kept[2], self.status_address)
            self.buffer[1] = b"\0"

    def panic(self) -> str:
        """What the library said when a call wrote no reply; resets the status."""
        try:
            generated._uniffi_check_call_status(None, self.status)
        except generated.InternalError as error:
            return str(error)
        finally:
            self.status.code = 0
        return "the library wrote no whole reply"

    def __del__(self) -> None:
        self.release()
