"""The native library: loaded once, its version checked, and bound to the module that makes its packed calls.

A generated call makes a ctypes structure and serialises every argument, which costs more than a whole get. The packed calls
take integers only, and `_crossing`, a small module in C, makes them.
"""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

from ._errors import from_packed
from ._version import __version__

_LAYOUT_VERSION = 2


def _load() -> tuple[Any, Any]:
    try:
        generated: Any = importlib.import_module("._ffi.cmemcache", __package__)
        crossing: Any = importlib.import_module("._crossing", __package__)
    except ImportError as error:
        raise ImportError(
            f"cmemcache was not built: {error}. Install a wheel (pip install cmemcache) or, in a "
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
    return generated, crossing


#: The generated module, and the one in C that makes packed calls.
generated, crossing = _load()


def bind() -> None:
    """Points `crossing` at the library."""
    library = generated._UniffiLib
    names = (
        "uniffi_cmemcache_fn_func_packed_call",
        "uniffi_cmemcache_fn_func_packed_release",
        "ffi_cmemcache_rustbuffer_free",
    )
    crossing.bind(*(ctypes.cast(library[name], ctypes.c_void_p).value for name in names), from_packed)


bind()
