"""Objects as bytes and flags: the encoding that python-memcached, pymemcache's `pickle_serde` and pylibmc share.

================================================  ======  =================================
type, exactly                                     flags   bytes
================================================  ======  =================================
bytes                                             0       as they are
str                                               16      UTF-8
int                                               2       decimal digits
everything else, subclasses of the above too      1       a pickle
as above, compressed                              + 8     zlib
portable objects, when asked for                  0x18000 JSON
================================================  ======  =================================
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable
from io import BytesIO
from typing import Any, Callable, Optional, Protocol, TypeVar

from . import _portable
from ._errors import ForeignValueError, UnknownFlagsError, UntrustedValueError, ValueDecodeError
from ._flags import (
    FLAG_BYTES,
    FLAG_INTEGER,
    FLAG_JAVA,
    FLAG_LEASE,
    FLAG_LONG,
    FLAG_PICKLE,
    FLAG_PORTABLE,
    FLAG_SIGNED,
    FLAG_TEXT,
    FLAG_ZLIB,
)
from ._numbers import uint32
from ._packed import flags_field

_T = TypeVar("_T")

#: 64 times memcached's largest item as it comes: what zlib has not made much smaller than text usually gets fits.
MAX_DECOMPRESSED_SIZE = 64 << 20

_JAVA = "a Java object, which only Kotlin and Java can read"
_WAY_OUT = "store it there as text, bytes, integer or JSON, or read its bytes with StringClient.getflags"
#: How Java serialization begins; no pickle does.
_JAVA_STREAM = b"\xac\xed"
#: The types of spymemcached's SerializingTranscoder.
_TYPES_OF_SPYMEMCACHED = range(0x100, 0x801, 0x100)


class Serializer(Protocol):
    """Turns objects into bytes and flags and back, in the place of the built-in encoding and compression."""

    def dumps(self, value: Any) -> tuple[bytes, int]:
        """The bytes and the flags (0 to 2^32-1) to store. What it raises reaches the caller, and nothing is sent."""
        ...

    def loads(self, data: bytes, flags: int) -> Any:
        """The object of stored bytes and flags. What it raises becomes a ValueDecodeError."""
        ...


class Pickling:
    """How a client pickles: python-memcached's options of the same names."""

    def __init__(
        self,
        protocol: int = 0,
        pickler: Callable[..., Any] = pickle.Pickler,
        unpickler: Callable[..., Any] = pickle.Unpickler,
        persistent_load: Optional[Callable[[Any], Any]] = None,
        persistent_id: Optional[Callable[[Any], Any]] = None,
    ) -> None:
        self._protocol = protocol
        self._plain_dump = pickler is pickle.Pickler and not persistent_id
        self._plain_load = unpickler is pickle.Unpickler and not persistent_load
        self._pickler = _with_method(pickler, "persistent_id", persistent_id)
        self._unpickler = _with_method(unpickler, "persistent_load", persistent_load)
        self._takes_keyword = True
        if not self._plain_dump:
            try:
                self._pickler(BytesIO(), protocol=protocol)
            except TypeError:
                self._takes_keyword = False

    def dump(self, value: Any) -> bytes:
        """The pickle of an object; raises what the pickler raises."""
        if self._plain_dump:
            return pickle.dumps(value, self._protocol)
        file = BytesIO()
        if self._takes_keyword:
            pickler = self._pickler(file, protocol=self._protocol)
        else:
            pickler = self._pickler(file, self._protocol)
        pickler.dump(value)
        return file.getvalue()

    def load(self, data: bytes) -> Any:
        """The object of a pickle; raises what the unpickler raises."""
        if self._plain_load:
            return pickle.loads(data)
        return self._unpickler(BytesIO(data)).load()


def _with_method(make: Callable[..., Any], name: str, method: Optional[Callable[[Any], Any]]) -> Callable[..., Any]:
    """A pickler or unpickler, class or function that makes one, with a method of the caller's."""
    if method is None:
        return make
    if isinstance(make, type):
        # Not as an attribute of each: CPython 3.13.0 lets none be set.
        return type(make.__name__, (make,), {name: staticmethod(method)})

    def made(*arguments: Any, **options: Any) -> Any:
        one = make(*arguments, **options)
        setattr(one, name, method)
        return one

    return made


class Codec:
    """The built-in encoding. The other dialects (`_dialects.py`) differ in flags and in what has a form of its own."""

    compressed_flag = FLAG_ZLIB
    #: The flags of bytes that stand as they are, and of text in UTF-8; None where the one or the other has no such form.
    bytes_flags: Optional[int] = FLAG_BYTES
    text_flags: Optional[int] = FLAG_TEXT

    def __init__(
        self,
        pickling: Optional[Pickling] = None,
        compressor: Callable[[bytes], bytes] = zlib.compress,
        decompressor: Callable[[bytes], bytes] = zlib.decompress,
        portable: bool = False,
        max_decompressed_size: int = MAX_DECOMPRESSED_SIZE,
    ) -> None:
        self.pickling = Pickling() if pickling is None else pickling
        self._compressor = compressor
        self._decompressor = _capped_zlib(max_decompressed_size) if decompressor is zlib.decompress else decompressor
        self._portable = portable

    def encode(self, value: Any, min_compress_len: int = 0, portable: Optional[bool] = None) -> tuple[bytes, int]:
        """The bytes and flags of an object; raises what the pickler raises.

        They are compressed if they are longer than `min_compress_len`, it is not 0, and it makes them shorter.
        """
        kind = type(value)
        if kind is bytes or kind is str or kind is int:
            data, flags = self.encode_plain(kind, value)
        elif portable or (portable is None and self._portable):
            data, flags = _portable.encode(value), FLAG_PORTABLE
        else:
            data, flags = self.encode_object(value)
        if min_compress_len and len(data) > min_compress_len and kind is not int:
            compressed = self._compressor(data)
            if len(compressed) < len(data):
                return compressed, flags | (FLAG_ZLIB if flags == FLAG_PORTABLE else self.compressed_flag)
        return data, flags

    def decode(self, data: bytes, flags: int) -> Any:
        """The object of stored bytes and flags. Raises ValueDecodeError, whatever is wrong with them.

        Only what may raise anything (an unpickler, a decompressor) is guarded against everything: an exception that a signal
        handler throws elsewhere in here is the program's own.
        """
        if flags == FLAG_BYTES:
            return data
        if flags == self.text_flags:
            try:
                return data.decode()
            except UnicodeDecodeError as error:
                raise malformed(error, flags) from error
        if flags & ~FLAG_ZLIB == FLAG_PORTABLE:
            text = self._decompress(data, flags) if flags & FLAG_ZLIB else data
            return attempt(_portable.decode, text, flags, ValueError, RecursionError)
        if flags & self.compressed_flag:
            data = self._decompress(data, flags)
            flags &= ~self.compressed_flag
        # spymemcached and xmemcached write Java objects under the flag of pickles.
        if flags == FLAG_JAVA or (flags == FLAG_PICKLE and data.startswith(_JAVA_STREAM)):
            raise foreign(_JAVA if flags == FLAG_JAVA else f"{_JAVA}, as spymemcached and xmemcached write it", flags)
        if flags == FLAG_LEASE:
            raise foreign("the marker of a lease, no value", flags)
        if flags == FLAG_SIGNED:
            raise foreign("signed, which only a client with the signing_key can read", flags)
        return self.decode_typed(data, flags)

    def encode_many(
        self, values: list[Any], min_compress_len: int = 0, portable: Optional[bool] = None
    ) -> tuple[list[bytes], bytes]:
        """The bytes of many objects, and a column of their flags, 4 bytes each; otherwise as `encode`."""
        kinds = set(map(type, values))
        if not min_compress_len and len(kinds) == 1:
            if bytes in kinds and self.bytes_flags is not None:
                return values, flags_field(self.bytes_flags) * len(values)
            if str in kinds and self.text_flags is not None:
                return list(map(str.encode, values)), flags_field(self.text_flags) * len(values)
        encoded = [self.encode(value, min_compress_len, portable) for value in values]
        return [data for data, _ in encoded], b"".join([flags_field(flags) for _, flags in encoded])

    def decode_many(self, values: list[bytes], flags: tuple[int, ...]) -> Iterable[Any]:
        """The objects of many values; raises as `decode`, at the latest when they are taken."""
        if flags.count(self.bytes_flags) == len(flags):
            return values
        if flags.count(self.text_flags) == len(flags):
            try:
                return list(map(bytes.decode, values))
            except UnicodeDecodeError:
                # Below it is raised as what it is.
                pass
        return map(self.decode, values, flags)

    def _decompress(self, data: bytes, flags: int) -> bytes:
        return attempt(self._decompressor, data, flags, Exception)

    def encode_plain(self, kind: type, value: Any) -> tuple[bytes, int]:
        """The form of a value whose type is exactly bytes, str or int."""
        if kind is bytes:
            return value, FLAG_BYTES
        if kind is str:
            return value.encode(), FLAG_TEXT
        return b"%d" % value, FLAG_INTEGER

    def encode_object(self, value: Any) -> tuple[bytes, int]:
        """The form of everything else."""
        return self.pickling.dump(value), FLAG_PICKLE

    def decode_typed(self, data: bytes, flags: int) -> Any:
        """The object of uncompressed bytes, tried in the order in which python-memcached tries the flags."""
        if flags == FLAG_BYTES:
            return data
        try:
            if flags & FLAG_TEXT:
                return data.decode()
            if flags & (FLAG_INTEGER | FLAG_LONG):
                return int(data)
        except ValueError as error:
            raise malformed(error, flags) from error
        if flags & FLAG_PICKLE:
            return attempt(self.pickling.load, data, flags, Exception)
        if flags in _TYPES_OF_SPYMEMCACHED:
            raise foreign("in a form of spymemcached and xmemcached, other than their text", flags)
        raise UnknownFlagsError(f"no type has these flags; {_WAY_OUT}", flags)


def foreign(what: str, flags: int) -> ForeignValueError:
    """The error of a value of another writer, with the way out."""
    return ForeignValueError(f"it is {what}; {_WAY_OUT}", flags)


def _capped_zlib(limit: int) -> Callable[[bytes], bytes]:
    """`zlib.decompress` that stops beyond this many bytes: a stream of a thousandth of them may be all there is to it."""

    def decompress(data: bytes) -> bytes:
        stream = zlib.decompressobj()
        found = stream.decompress(data, limit + 1)
        if len(found) > limit:
            raise ValueError(f"decompresses to more than {limit} bytes, the client's max_decompressed_size")
        if not stream.eof:
            raise ValueError("is no whole zlib stream")
        return found

    return decompress


def attempt(read: Callable[[bytes], _T], data: bytes, flags: int, *errors: type[Exception]) -> _T:
    """What `read` makes of the bytes; any of these errors becomes a ValueDecodeError."""
    try:
        return read(data)
    except UntrustedValueError:
        raise
    except errors as error:
        raise malformed(error, flags) from error


def malformed(error: Exception, flags: int) -> ValueDecodeError:
    """The error of a value that is not what its flags say."""
    return ValueDecodeError(f"{type(error).__name__}: {error}", flags)


class SerializerCodec(Codec):
    """A caller's own serializer in the place of the encoding; nothing is compressed for it."""

    bytes_flags = None
    text_flags = None

    def __init__(self, serializer: Serializer) -> None:
        super().__init__()
        self._serializer = serializer

    def encode(self, value: Any, min_compress_len: int = 0, portable: Optional[bool] = None) -> tuple[bytes, int]:
        data, flags = self._serializer.dumps(value)
        if not isinstance(data, bytes):
            raise TypeError(f"the serializer's dumps must return bytes and flags, not {type(data).__name__}")
        return data, uint32("flags", flags)

    def decode(self, data: bytes, flags: int) -> Any:
        return attempt(lambda stored: self._serializer.loads(stored, flags), data, flags, Exception)
