"""The encoding of values, without a server: what python-memcached writes byte for byte, and what must not be misread."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import math
import pickle
import zlib
from typing import Any

import memcache
import pytest

import cmemcache
from cmemcache import ForeignValueError, InvalidArgumentError, UnknownFlagsError
from cmemcache._dialects import LibmcCodec, MetaMemcacheCodec
from cmemcache._values import Codec, Pickling, SerializerCodec


class Text(str):
    """A subclass, which has to come back as one."""


class Number(int):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: float


OBJECTS: list[Any] = [
    b"",
    b"bytes",
    bytes(range(256)),
    "",
    "text",
    "tëxt \U0001f600",
    0,
    1,
    -1,
    2**63,
    -(10**100),
    True,
    False,
    None,
    0.5,
    -0.0,
    math.inf,
    bytearray(b"array"),
    Text("markup"),
    Number(7),
    [1, "two", None],
    (1, 2),
    {"a": {"b": [1]}},
    {1, 2},
    Point(1, 2.5),
    datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    decimal.Decimal("1.10"),
    1j,
]


def peer() -> Any:
    return memcache.Client([])


@pytest.mark.parametrize("value", OBJECTS, ids=repr)
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_bytes_and_flags_are_those_of_python_memcached(value: Any, protocol: int) -> None:
    theirs = memcache.Client([], pickleProtocol=protocol)
    flags, _, data = theirs._val_to_store_info(value, 0)
    assert Codec(Pickling(protocol)).encode(value) == (data, flags)


@pytest.mark.parametrize("value", OBJECTS, ids=repr)
@pytest.mark.parametrize("codec", [Codec(), LibmcCodec(), MetaMemcacheCodec()], ids=lambda codec: type(codec).__name__)
@pytest.mark.parametrize("min_compress_len", [0, 1])
def test_every_object_comes_back_as_itself(codec: Codec, value: Any, min_compress_len: int) -> None:
    data, flags = codec.encode(value, min_compress_len)
    back = codec.decode(data, flags)
    assert back == value
    # libmc marshals what has the interface of bytes as bytes, as it always did.
    if not isinstance(value, bytearray) or type(codec) is not LibmcCodec:
        assert type(back) is type(value)


@pytest.mark.parametrize("value", ["x" * 1000, b"x" * 1000, [1] * 1000, "xy", 10**1000, bytes(range(200))])
@pytest.mark.parametrize("min_compress_len", [0, 1, 199, 200, 999, 1000, 1001])
def test_compression_decides_as_python_memcached_does(value: Any, min_compress_len: int) -> None:
    flags, _, data = peer()._val_to_store_info(value, min_compress_len)
    assert Codec().encode(value, min_compress_len) == (data, flags)


@pytest.mark.parametrize(
    ("data", "flags", "value"),
    [
        (b"12", 2, 12),
        (b"12 ", 2, 12),
        (b"-12", 4, -12),
        (b"text", 16, "text"),
        (b"text", 16 | 1, "text"),
        (b"5", 2 | 1, 5),
        (zlib.compress(b"text"), 8 | 16, "text"),
        (zlib.compress(b"bytes"), 8, b"bytes"),
        (zlib.compress(b"[1,2]"), 0x18000 | 8, [1, 2]),
        (b'{"a":null}', 0x18000, {"a": None}),
    ],
)
def test_flags_are_read_in_the_order_of_python_memcached(data: bytes, flags: int, value: Any) -> None:
    assert Codec().decode(data, flags) == value


@pytest.mark.parametrize("flags", [32, 64, 0x900, 0x8000, 0x10000, 0x80000000, 0xFFFFFFE0])
def test_unknown_flags_are_an_error(flags: int) -> None:
    with pytest.raises(UnknownFlagsError):
        Codec().decode(b"data", flags)


def test_values_of_other_writers_are_named() -> None:
    with pytest.raises(ForeignValueError, match="Java"):
        Codec().decode(b"data", cmemcache.FLAG_JAVA)
    with pytest.raises(ForeignValueError, match="lease"):
        Codec().decode(b"", cmemcache.FLAG_LEASE)
    with pytest.raises(ForeignValueError, match="zstd"):
        MetaMemcacheCodec().decode(b"data", 32)
    with pytest.raises(ForeignValueError, match="several items"):
        LibmcCodec().decode(b"2", 4096)


@pytest.mark.parametrize(
    ("data", "flags"),
    [
        (b"not a pickle", 1),
        (b"", 1),
        (b"12a", 2),
        (b"", 2),
        (b"\xff", 16),
        (b"not zlib", 8),
        (zlib.compress(b"x" * 100)[:-5], 8),
        (b"{", 0x18000),
        (b"NaN", 0x18000),
        (b"cno_such_module\nname\n.", 1),
    ],
)
def test_malformed_values_raise_and_do_not_return_something(data: bytes, flags: int) -> None:
    with pytest.raises(cmemcache.ValueDecodeError):
        Codec().decode(data, flags)


# Portable values


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, {"a": [1, "ü", None, {"b": -1e300}]}, [2**100]])
def test_portable_values_are_json_and_come_back(value: Any) -> None:
    data, flags = Codec(portable=True).encode(value)
    assert flags == cmemcache.FLAG_PORTABLE
    assert json.loads(data) == value
    assert Codec().decode(data, flags) == value
    assert LibmcCodec().decode(data, flags) == value
    assert MetaMemcacheCodec().decode(data, flags) == value


@pytest.mark.parametrize("codec", [Codec(), LibmcCodec(), MetaMemcacheCodec()], ids=lambda codec: type(codec).__name__)
def test_portable_values_are_compressed_alike_in_every_dialect(codec: Codec) -> None:
    value = ["x" * 100] * 10
    data, flags = codec.encode(value, 10, portable=True)
    assert flags == cmemcache.FLAG_PORTABLE | cmemcache.FLAG_ZLIB
    assert Codec().decode(data, flags) == value
    assert codec.decode(data, flags) == value


def test_portable_records_and_tuples_are_maps_and_lists() -> None:
    data, _ = Codec(portable=True).encode({"point": Point(1, 2.5), "pair": (1, 2)})
    assert json.loads(data) == {"point": {"x": 1, "y": 2.5}, "pair": [1, 2]}


def test_what_is_portable_by_itself_keeps_its_own_form() -> None:
    codec = Codec(portable=True)
    assert codec.encode("text") == (b"text", 16)
    assert codec.encode(b"bytes") == (b"bytes", 0)
    assert codec.encode(12) == (b"12", 2)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({1, 2}, "value is of type set"),
        ({"a": [0, {"b": b"x"}]}, r"value\['a'\]\[1\]\['b'\] is of type bytes"),
        ([math.nan], r"value\[0\] is nan"),
        ({1: 2}, "the key 1"),
        (datetime.date(2020, 1, 1), "type date"),
        (["\ud800"], "Unicode"),
    ],
)
def test_what_is_not_portable_is_refused_by_name(value: Any, named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        Codec(portable=True).encode(value)


def test_a_portable_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidArgumentError, match="nested too deeply"):
        Codec(portable=True).encode(value)


# Pickling


def test_pickler_unpickler_and_persistent_ids_are_used() -> None:
    class Counting(pickle.Pickler):
        made = 0

        def __init__(self, *arguments: Any, **options: Any) -> None:
            Counting.made += 1
            super().__init__(*arguments, **options)

    codec = Codec(Pickling(pickler=Counting))
    before = Counting.made
    assert codec.decode(*codec.encode([1])) == [1]
    assert Counting.made == before + 1

    known = Point(1, 2)
    pickling = Pickling(
        persistent_id=lambda value: "known" if value is known else None,
        persistent_load=lambda name: {"known": known}[name],
    )
    data, flags = Codec(pickling).encode([known])
    assert b"Point" not in data
    assert Codec(pickling).decode(data, flags)[0] is known


def test_a_pickler_without_the_keyword_is_called_by_position() -> None:
    def old_style(file: Any, protocol_number: int) -> Any:
        return pickle.Pickler(file, protocol_number)

    codec = Codec(Pickling(2, pickler=old_style))
    assert codec.encode([1]) == (pickle.dumps([1], 2), 1)


def test_a_serializer_takes_the_place_of_everything() -> None:
    class Reversing:
        def dumps(self, value: Any) -> tuple[bytes, int]:
            return value[::-1].encode(), 77

        def loads(self, data: bytes, flags: int) -> Any:
            assert flags == 77
            return data.decode()[::-1]

    codec = SerializerCodec(Reversing())
    assert codec.encode("abc", 1) == (b"cba", 77)
    assert codec.decode(b"cba", 77) == "abc"


def test_a_serializer_that_returns_no_bytes_is_told_so() -> None:
    class Wrong:
        def __init__(self, result: Any) -> None:
            self.result = result

        def dumps(self, value: Any) -> Any:
            return self.result

        def loads(self, data: bytes, flags: int) -> Any:
            return None

    with pytest.raises(TypeError, match="must return bytes"):
        SerializerCodec(Wrong(("text", 0))).encode(1)
    with pytest.raises(InvalidArgumentError, match="flags"):
        SerializerCodec(Wrong((b"data", 2**32))).encode(1)
