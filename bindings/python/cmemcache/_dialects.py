"""What other clients write, where it differs from python-memcached's encoding.

The same flag means different things to them (8 is "compressed" here and "bool" in libmc; 16 is "text" here, "compressed" in
libmc and "bytes" in meta-memcache), so that a dialect is chosen and never guessed. A client of a dialect reads what that
client writes and writes what it reads.
"""

from __future__ import annotations

import marshal
from typing import Any

from ._errors import ForeignValueError, UnknownFlagsError
from ._flags import FLAG_BYTES, FLAG_INTEGER, FLAG_LONG, FLAG_PICKLE
from ._options import Dialect
from ._values import Codec, attempt


class LibmcCodec(Codec):
    """libmc's: bool 8, marshal 32, compressed 16."""

    compressed_flag = 16
    text_flags = None
    _BOOL = 8
    _MARSHAL = 32
    _SPLIT = 4096
    # The version that libmc writes and that every reader knows.
    _MARSHAL_VERSION = 2

    def encode_plain(self, kind: type, value: Any) -> tuple[bytes, int]:
        if kind is bytes:
            return value, FLAG_BYTES
        if kind is int:
            return b"%d" % value, FLAG_LONG
        return marshal.dumps(value, self._MARSHAL_VERSION), self._MARSHAL

    def encode_object(self, value: Any) -> tuple[bytes, int]:
        if type(value) is bool:
            return b"%d" % value, self._BOOL
        try:
            return marshal.dumps(value, self._MARSHAL_VERSION), self._MARSHAL
        except ValueError:
            return super().encode_object(value)

    def decode(self, data: bytes, flags: int) -> Any:
        # What stands under the key is the number of parts, whatever else the flags say.
        if flags & self._SPLIT:
            raise ForeignValueError("a value that libmc has split into several items", flags)
        return super().decode(data, flags)

    def decode_typed(self, data: bytes, flags: int) -> Any:
        if flags == FLAG_BYTES:
            return data
        if flags & self._BOOL:
            return bool(attempt(int, data, flags, ValueError))
        if flags & (FLAG_INTEGER | FLAG_LONG):
            return attempt(int, data, flags, ValueError)
        if flags & self._MARSHAL:
            return attempt(marshal.loads, data, flags, ValueError, TypeError, EOFError)
        if flags & FLAG_PICKLE:
            return attempt(self.pickling.load, data, flags, Exception)
        raise UnknownFlagsError("no type has these flags in libmc", flags)


class MetaMemcacheCodec(Codec):
    """meta-memcache's: str 0, bytes 16, zlib 8, zstd 32."""

    _TEXT = 0
    _BINARY = 16
    text_flags = _TEXT
    bytes_flags = _BINARY
    _ZSTD = 32

    def encode_plain(self, kind: type, value: Any) -> tuple[bytes, int]:
        if kind is bytes:
            return value, self._BINARY
        if kind is str:
            return value.encode(), self._TEXT
        return b"%d" % value, FLAG_INTEGER

    def decode(self, data: bytes, flags: int) -> Any:
        return self.decode_typed(data, flags) if flags == self._TEXT else super().decode(data, flags)

    def decode_typed(self, data: bytes, flags: int) -> Any:
        if flags == self._TEXT:
            return attempt(bytes.decode, data, flags, ValueError)
        if flags & self._ZSTD:
            raise ForeignValueError(
                "compressed with zstd, which meta-memcache does with a dictionary of its own", flags
            )
        if flags == self._BINARY:
            return data
        if flags in (FLAG_INTEGER, FLAG_LONG):
            return attempt(int, data, flags, ValueError)
        if flags == FLAG_PICKLE:
            return attempt(self.pickling.load, data, flags, Exception)
        raise UnknownFlagsError("no type has these flags in meta-memcache", flags)


CODECS: dict[Dialect, type[Codec]] = {
    Dialect.PYTHON_MEMCACHED: Codec,
    Dialect.LIBMC: LibmcCodec,
    Dialect.META_MEMCACHE: MetaMemcacheCodec,
}
