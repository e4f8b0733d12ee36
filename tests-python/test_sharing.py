"""One cache, several clients: what python-memcached and the others write is read here, and the other way round."""

from __future__ import annotations

import dataclasses
import decimal
import random
import zlib
from collections.abc import Callable
from typing import Any

import libmc
import memcache
import meta_memcache
import meta_memcache.serializer
import pylibmc
import pymemcache.client.base
import pymemcache.serde
import pytest

import cmemcache
from cmemcache import Client
from servers import Memcached, memcached

MakeClient = Callable[..., Client]


@dataclasses.dataclass
class Point:
    x: int
    y: float


VALUES: dict[str, Any] = {
    "bytes": b"bytes\r\n\0",
    "empty": b"",
    "text": "tëxt \U0001f600",
    "empty text": "",
    "int": 42,
    "negative": -42,
    "large": 2**80,
    "true": True,
    "false": False,
    "none": None,
    "float": 1.5,
    "list": [1, "two", None],
    "dict": {"a": {"b": [1.5]}},
    "tuple": (1, (2, 3)),
    "set": {1, 2},
    "object": Point(1, 2.5),
    "decimal": decimal.Decimal("1.10"),
    "long text": "long " * 5000,
    "long bytes": b"long " * 5000,
    "long list": ["long"] * 5000,
}


def keys() -> dict[str, Any]:
    return {name.replace(" ", "_"): value for name, value in VALUES.items()}


def same(ours: Any, theirs: Any) -> bool:
    return type(ours) is type(theirs) and bool(ours == theirs)


# python-memcached


@pytest.mark.parametrize("min_compress_len", [0, 100])
@pytest.mark.parametrize("pickle_protocol", [0, 2, 4])
def test_python_memcached_reads_what_is_written_here(
    make: MakeClient, server: Memcached, min_compress_len: int, pickle_protocol: int
) -> None:
    ours, theirs = make([server.address], pickleProtocol=pickle_protocol), memcache.Client([server.address])
    for key, value in keys().items():
        assert ours.set(key, value, min_compress_len=min_compress_len) is True
        assert same(theirs.get(key), value), key
    assert ours.set_multi(keys(), min_compress_len=min_compress_len, key_prefix="multi:") == []
    assert theirs.get_multi(list(keys()), key_prefix="multi:") == keys()


@pytest.mark.parametrize("min_compress_len", [0, 100])
@pytest.mark.parametrize("pickle_protocol", [0, 2, 4])
def test_what_python_memcached_writes_is_read_here(
    make: MakeClient, server: Memcached, min_compress_len: int, pickle_protocol: int
) -> None:
    ours, theirs = make([server.address]), memcache.Client([server.address], pickleProtocol=pickle_protocol)
    for key, value in keys().items():
        assert theirs.set(key, value, min_compress_len=min_compress_len)
        assert same(ours.get(key), value), key
    assert theirs.set_multi(keys(), min_compress_len=min_compress_len, key_prefix="multi:") == []
    assert ours.get_multi(list(keys()), key_prefix="multi:") == keys()


def test_both_write_the_same_bytes_and_flags(make: MakeClient, server: Memcached) -> None:
    ours, theirs = make([server.address]), memcache.Client([server.address])
    for key, value in keys().items():
        ours.set("ours", value, min_compress_len=50)
        theirs.set("theirs", value, min_compress_len=50)
        assert server.raw("ours") == server.raw("theirs"), key


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 3), (5, 1, 1)])
def test_both_choose_the_same_server_of_three(
    make: MakeClient, servers: list[Memcached], weights: tuple[int, int, int]
) -> None:
    specs = [(one.address, weight) for one, weight in zip(servers, weights)]
    ours, theirs = make(specs), memcache.Client(specs)
    names = [f"key:{number}" for number in range(100)] + ["ключ", "naïve", "x" * 250, "a", "p:"]
    for name in names:
        ours.set(name, "ours")
        assert theirs.get(name) == "ours", name
        theirs.set(name, "theirs")
        assert ours.get(name) == "theirs", name
    assert ours.set_multi(dict.fromkeys(names[:100], 1), key_prefix="prefix") == []
    assert theirs.get_multi(names[:100], key_prefix="prefix") == dict.fromkeys(names[:100], 1)


@pytest.mark.parametrize("route", [0, 1, 2, 3, 4711, -1, -7, 2**40])
def test_both_follow_the_hash_of_a_key(make: MakeClient, servers: list[Memcached], route: int) -> None:
    specs = [(one.address, weight) for one, weight in zip(servers, (1, 2, 1))]
    ours, theirs = make(specs), memcache.Client(specs)
    ours.set((route, "key"), "ours")
    assert theirs.get((route, "key")) == "ours"
    assert theirs.get_multi([(route, "key")]) == {(route, "key"): "ours"} == ours.get_multi([(route, "key")])


def test_both_go_to_the_same_other_server_when_one_is_dead(make: MakeClient, servers: list[Memcached]) -> None:
    with memcached() as doomed:
        specs = [servers[0].address, doomed.address, servers[1].address]
        ours, theirs = make(specs), memcache.Client(specs)
        doomed.kill()
        for number in range(60):
            ours.set(f"key{number}", number)
            assert theirs.get(f"key{number}") == number
            ours.set((number, f"routed{number}"), number)
            assert theirs.get((number, f"routed{number}")) == number


def test_both_count_in_the_same_counter(make: MakeClient, server: Memcached) -> None:
    ours, theirs = make([server.address]), memcache.Client([server.address])
    ours.set("counter", 10)
    assert theirs.incr("counter", 5) == 15
    assert ours.decr("counter", 6) == 9
    assert theirs.get("counter") == 9
    assert ours.get("counter") == 9


# The other clients


def pymemcache_client(server: Memcached) -> Any:
    serde = pymemcache.serde.pickle_serde
    return pymemcache.client.base.Client(("127.0.0.1", server.port), serde=serde, default_noreply=False)


def pylibmc_client(server: Memcached) -> Any:
    return pylibmc.Client([server.address])


def libmc_client(server: Memcached) -> Any:
    return libmc.Client([server.address], comp_threshold=1000)


PEERS = {
    "pymemcache": (pymemcache_client, "python-memcached"),
    "pylibmc": (pylibmc_client, "python-memcached"),
    "libmc": (libmc_client, "libmc"),
}
# pylibmc writes a bool with the flag of an int, so that it comes back as one, to itself too.
AS_INT = {"pylibmc": {"true", "false"}}


@pytest.mark.parametrize("name", PEERS)
def test_what_a_peer_writes_is_read_in_its_dialect(name: str, make: MakeClient, server: Memcached) -> None:
    connect, dialect = PEERS[name]
    peer, ours = connect(server), make([server.address], dialect=dialect)
    for key, value in keys().items():
        assert peer.set(key, value)
        expected = int(value) if key in AS_INT.get(name, ()) else value
        assert same(ours.get(key), expected), key
        assert same(peer.get(key), expected), key
    assert ours.get_multi(list(keys())) == keys()


# pymemcache's pickle_serde does not decompress; its compressed_serde has a test of its own.
@pytest.mark.parametrize(
    ("name", "min_compress_len"), [("pymemcache", 0), ("pylibmc", 0), ("pylibmc", 100), ("libmc", 0), ("libmc", 100)]
)
def test_what_is_written_here_is_read_by_a_peer_of_the_dialect(
    name: str, make: MakeClient, server: Memcached, min_compress_len: int
) -> None:
    connect, dialect = PEERS[name]
    peer, ours = connect(server), make([server.address], dialect=dialect)
    for key, value in keys().items():
        assert ours.set(key, value, min_compress_len=min_compress_len) is True
        assert same(peer.get(key), value), key
        assert same(ours.get(key), value), key


def test_what_pylibmc_compresses_is_read_here(make: MakeClient, server: Memcached) -> None:
    peer, ours = pylibmc_client(server), make([server.address])
    for key in ("long_text", "long_bytes", "long_list"):
        assert peer.set(key, keys()[key], min_compress_len=100)
        raw = server.raw(key)
        assert raw is not None
        assert raw[1] & 8
        assert same(ours.get(key), keys()[key])


def test_what_pymemcache_compresses_is_read_here(make: MakeClient, server: Memcached) -> None:
    serde = pymemcache.serde.compressed_serde
    peer = pymemcache.client.base.Client(("127.0.0.1", server.port), serde=serde)
    ours = make([server.address])
    for key in ("long_text", "long_bytes", "long_list"):
        peer.set(key, keys()[key], noreply=False)
        assert same(ours.get(key), keys()[key])
        ours.set(key, keys()[key], min_compress_len=100)
        assert same(peer.get(key), keys()[key])


@pytest.mark.parametrize("hash_name", ["crc"])
def test_pylibmc_with_crc_chooses_the_same_servers(make: MakeClient, servers: list[Memcached], hash_name: str) -> None:
    addresses = [one.address for one in servers]
    peer, ours = pylibmc.Client(addresses, behaviors={"hash": hash_name}), make(addresses)
    for number in range(100):
        peer.set(f"key:{number}", number)
        assert ours.get(f"key:{number}") == number


@pytest.mark.parametrize(
    ("placement", "behaviors"),
    [
        ("modula", {}),
        ("ketama", {"ketama": True}),
        ("ketama_weighted", {"ketama_weighted": True}),
    ],
)
def test_libmemcached_placements_choose_the_servers_of_pylibmc(
    make: MakeClient, servers: list[Memcached], placement: str, behaviors: dict[str, bool]
) -> None:
    addresses = [one.address for one in servers]
    peer, ours = pylibmc.Client(addresses, behaviors=behaviors), make(addresses, placement=placement)
    for number in range(100):
        peer.set(f"key:{number}", number)
        assert ours.get(f"key:{number}") == number


@pytest.mark.parametrize("compress", [False, True])
def test_the_meta_memcache_dialect_is_its_mixed_serializer(make: MakeClient, server: Memcached, compress: bool) -> None:
    serializer = meta_memcache.serializer.MixedSerializer()
    ours = make([server.address], dialect="meta-memcache")
    for name, value in keys().items():
        encoded = serializer.serialize(meta_memcache.Key(name), value)
        server.put(name, bytes(encoded.data), encoded.encoding_id)
        assert same(ours.get(name), value), name
        ours.set(name, value, min_compress_len=100 if compress else 0)
        raw = server.raw(name)
        assert raw is not None
        assert same(serializer.unserialize(raw[0], raw[1]), value), name


def test_libmc_split_values_are_named(make: MakeClient, server: Memcached) -> None:
    peer, ours = libmc_client(server), make([server.address], dialect="libmc", errors="raise")
    peer.set("huge", bytes(random.Random(1).randbytes(2_000_000)))
    with pytest.raises(cmemcache.ForeignValueError, match="several items"):
        ours.get("huge")


def test_the_dialects_read_each_other_never_by_guessing(make: MakeClient, server: Memcached) -> None:
    """The same flags mean other things: a bool of libmc is no compressed value of python-memcached."""
    libmc_client(server).set("bool", True)
    assert make([server.address]).get("bool") is None
    with pytest.raises(cmemcache.ValueDecodeError):
        make([server.address], errors="raise").get("bool")
    assert make([server.address], dialect="libmc").get("bool") is True


def test_portable_values_of_a_client_are_json(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], portable=True)
    assert client.set("key", {"a": [1.5, None]}, min_compress_len=0) is True
    assert server.raw("key") == (b'{"a":[1.5,null]}', 0x18000)
    assert client.get("key") == {"a": [1.5, None]}
    assert client.set("pickled", {1, 2}, portable=False) is True
    assert client.get("pickled") == {1, 2}
    assert client.set_multi({"a": None, "b": "text"}) == []
    assert server.raw("a") == (b"null", 0x18000)
    plain = make([server.address])
    assert plain.get("key") == {"a": [1.5, None]}
    assert plain.set("again", [1], portable=True) is True
    assert server.raw("again") == (b"[1]", 0x18000)
    with pytest.raises(cmemcache.InvalidArgumentError, match="portable"):
        client.set("key", {1, 2})
    # python-memcached does not misread it: it knows no such type.
    with pytest.raises(ValueError, match="Unknown flags"):
        memcache.Client([server.address]).get("key")


def test_compressors_are_the_callers(make: MakeClient, server: Memcached) -> None:
    client = make(
        [server.address],
        compressor=lambda data: b"C" + zlib.compress(data, 9),
        decompressor=lambda data: zlib.decompress(data[1:]),
    )
    client.set("key", "x" * 1000, min_compress_len=10)
    raw = server.raw("key")
    assert raw is not None
    assert raw[0].startswith(b"C")
    assert raw[1] == 24
    assert client.get("key") == "x" * 1000
