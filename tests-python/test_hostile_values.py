"""Random bytes under every flag: a value or the documented error, in bounded time, and nothing else."""

from __future__ import annotations

import itertools
import pickle
import random
import zlib
from typing import Any

import pytest

import cmemcache
from cmemcache import Client, Dialect, ValueDecodeError

FLAGS = [0, 1, 2, 4, 8, 16, 32, 64, 0x1000, 0x18000, 0x28000, 0x48000, 0x88000, 0x100, 0x80000000]
SEEDS: list[bytes] = [
    *(pickle.dumps({"a": [1, (2, None), "x", b"y"]}, protocol) for protocol in range(6)),
    *(zlib.compress(text) for text in (b'{"a":[1,null]}', b"text", b"12")),
    *(b'{"a": [1, 2.5, null, "x"]}', b"-17", b"1e999", b"[" * 50, b"\xac\xed\x00\x05t\x00\x01x"),
]


def codec(dialect: Dialect = Dialect.PYTHON_MEMCACHED) -> Any:
    with Client(["127.0.0.1:1"], unpickler="restricted", dialect=dialect, max_decompressed_size=1 << 16) as client:
        return client._codec


def mutated(chance: random.Random) -> bytes:
    """Bytes of a known form with some changed, cut off or put in; or any."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(40))
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(data)


@pytest.mark.parametrize("dialect", [Dialect.PYTHON_MEMCACHED, Dialect.META_MEMCACHE])
def test_random_bytes_are_a_value_or_a_decode_error(dialect: Dialect) -> None:
    chance = random.Random(4711)
    decoder = codec(dialect)
    combined = [sum(some) for size in range(3) for some in itertools.combinations(FLAGS, size)]
    values = 0
    for _ in range(200):
        data = mutated(chance)
        for flags in combined:
            try:
                decoder.decode(data, flags)
                values += 1
            except ValueDecodeError:
                pass
    assert values > 500


def test_nesting_beyond_the_stack_is_an_error() -> None:
    depth = 200_000
    for data, flags in [
        (b"[" * depth + b"]" * depth, cmemcache.FLAG_PORTABLE),
        (b'{"a":' * depth + b"1" + b"}" * depth, cmemcache.FLAG_PORTABLE),
        (b"[" * depth, cmemcache.FLAG_PORTABLE),
    ]:
        for stored, form in ((data, flags), (zlib.compress(data), flags | cmemcache.FLAG_ZLIB)):
            with Client(["127.0.0.1:1"]) as client, pytest.raises(ValueDecodeError):
                client._codec.decode(stored, form)


def test_a_bomb_is_not_decompressed() -> None:
    bomb = zlib.compress(bytes(8 << 20), 9)
    for form in (cmemcache.FLAG_TEXT, cmemcache.FLAG_PICKLE, cmemcache.FLAG_PORTABLE, cmemcache.FLAG_BYTES):
        with pytest.raises(ValueDecodeError, match=r"more than 65536 bytes.*max_decompressed_size"):
            codec().decode(bomb, form | cmemcache.FLAG_ZLIB)
