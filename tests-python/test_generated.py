"""The generated module as it is: the whole client with types, usable without the wrapper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cmemcache._native import generated
from servers import Memcached

CacheError: Any = generated.CacheError
StoreOutcome: Any = generated.StoreOutcome


PATIENT = {"key_prefix": b"", "timeout_ms": 20_000, "connect_timeout_ms": 10_000}


def connect(*addresses: str, **options: Any) -> Any:
    servers = [generated.ServerSpec(address=address) for address in addresses]
    return generated.StringClient(servers, generated.ClientOptions(**{**PATIENT, **options}))


@pytest.fixture
def typed(server: Memcached, protocol: str) -> Iterator[Any]:
    client = connect(server.address, protocol=generated.WireProtocol[protocol.upper()])
    yield client
    client.shutdown()


def test_values_are_stored_and_read_with_flags(typed: Any) -> None:
    assert typed.get(b"key") is None
    assert typed.set(b"key", b"value", 7, 60) == StoreOutcome.STORED
    item = typed.get(b"key")
    assert (item.value, item.flags, item.cas) == (b"value", 7, None)
    assert typed.add(b"key", b"other") == StoreOutcome.NOT_STORED
    assert typed.replace(b"missing", b"other") == StoreOutcome.NOT_STORED
    assert typed.append(b"key", b">") == StoreOutcome.STORED
    assert typed.prepend(b"key", b"<") == StoreOutcome.STORED
    assert typed.gat(b"key", 100).value == b"<value>"
    assert typed.touch(b"key", 100) is True
    assert typed.delete(b"key") is True
    assert typed.delete(b"key") is False


def test_tokens_guard_against_lost_updates(typed: Any) -> None:
    typed.set(b"key", b"one")
    token = typed.gets(b"key").cas
    assert typed.cas(b"key", b"two", token) == StoreOutcome.STORED
    assert typed.cas(b"key", b"three", token) == StoreOutcome.EXISTS
    assert typed.gats(b"key", 60).cas > token
    typed.delete(b"key")
    assert typed.cas(b"key", b"three", token) == StoreOutcome.NOT_FOUND


def test_counters_count(typed: Any) -> None:
    assert typed.incr(b"counter") is None
    assert typed.incr(b"counter", 5, 10) == 10
    assert typed.incr(b"counter", 5, 10) == 15
    assert typed.decr(b"counter", 100) == 0
    typed.set(b"words", b"many")
    with pytest.raises(CacheError.NotNumeric):
        typed.incr(b"words")


def test_batches_answer_for_each_key(typed: Any) -> None:
    entries = [generated.StoreEntry(key=b"a", value=b"1"), generated.StoreEntry(key=b"b", value=b"2", flags=9)]
    assert [one.outcome for one in typed.set_multi(entries)] == [StoreOutcome.STORED] * 2
    results = typed.get_multi([b"a", b"missing", b"b"])
    assert [one.key for one in results] == [b"a", b"missing", b"b"]
    assert results[0].item.value == b"1"
    assert results[1].item is None
    assert results[1].error is None
    assert (results[2].item.value, results[2].item.flags) == (b"2", 9)
    assert all(one.item.cas for one in typed.gets_multi([b"a", b"b"]))
    assert [one.deleted for one in typed.delete_multi([b"a", b"missing"])] == [True, False]


def test_errors_have_kinds_and_fields(typed: Any) -> None:
    with pytest.raises(CacheError.KeyCharacter, match="0x20"):
        typed.get(b"two words")
    with pytest.raises(CacheError.KeyTooLong, match="250"):
        typed.get(b"k" * 251)
    with pytest.raises(CacheError.InvalidArgument, match="exptime"):
        typed.set(b"key", b"value", 0, 2**31)
    with pytest.raises(CacheError.ServerDown) as caught:
        connect("127.0.0.1:1").get(b"key")
    assert caught.value.server == "127.0.0.1:1"
    assert caught.value.phase == "connect"
    result = connect("127.0.0.1:1").get_multi([b"key"])[0]
    assert isinstance(result.error, CacheError.ServerDown)
    with pytest.raises(CacheError.NoServers):
        connect().get(b"key")
    with pytest.raises(CacheError.InvalidArgument, match="bad:port"):
        connect("bad:port")


def test_servers_and_metrics_are_told(typed: Any, server: Memcached) -> None:
    assert typed.version()[0].reply[0] == "1"
    assert typed.stats()[0].stats["pid"].isdecimal()
    assert typed.verbosity(0)[0].reply == "OK"
    assert typed.flush_all()[0].error is None
    typed.get(b"key")
    metrics = typed.metrics()[0]
    assert (metrics.server, metrics.misses, metrics.state) == (server.address, 1, generated.ServerState.UP)
    typed.mark_down(server.address, 10_000)
    assert typed.metrics()[0].state == generated.ServerState.DOWN
    typed.forget_dead_hosts()
    assert typed.get(b"key") is None


def test_both_doors_lead_to_one_client(typed: Any) -> None:
    from cmemcache import _packed

    typed.set(b"key", b"value", 3)
    assert _packed.read(typed.handle(), _packed.GET_HEAD, "key", None) == (b"value", 3, 0)
    other = typed.with_timeout(5000)
    assert other.get(b"key").value == b"value"
    assert typed.metrics()[0].hits == 2
    typed.shutdown()
    with pytest.raises(CacheError.Closed):
        other.get(b"key")
