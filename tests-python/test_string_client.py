"""StringClient: the first cmemcache's surface, and every operation of the core. Over meta and over classic."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import timedelta

import pytest

import cmemcache
from cmemcache import Item, StringClient
from servers import PATIENT, Memcached, memcached


@pytest.fixture
def loud(server: Memcached, protocol: str) -> Iterator[StringClient]:
    """A client that raises."""
    with StringClient([server.address], protocol=protocol, errors="raise", **PATIENT) as one:
        yield one


def test_the_methods_of_the_first_cmemcache_take_its_arguments() -> None:
    first = {
        "set_servers": ["servers"],
        "set": ["key", "value", "time", "flags"],
        "add": ["key", "value", "time", "flags"],
        "replace": ["key", "value", "time", "flags"],
        "get": ["key"],
        "getflags": ["key"],
        "get_multi": ["keys"],
        "get_multiflags": ["keys"],
        "delete": ["key", "time"],
        "incr": ["key", "delta"],
        "decr": ["key", "delta"],
        "get_stats": [],
        "flush_all": [],
        "disconnect_all": [],
    }
    for name, arguments in first.items():
        assert list(inspect.signature(getattr(StringClient, name)).parameters)[1:][: len(arguments)] == arguments


def test_text_goes_in_as_utf8_and_bytes_come_out(strings: StringClient) -> None:
    assert strings.set("text", "tëxt") is True
    assert strings.get("text") == "tëxt".encode()
    for value in (b"", b"\r\nEND\r\n", bytes(range(256)), bytearray(b"array"), memoryview(b"view")):
        assert strings.set(b"bytes", value) is True
        assert strings.get(b"bytes") == bytes(value)
    assert strings.get("missing") is None
    assert strings.get("missing", b"default") == b"default"


@pytest.mark.parametrize("value", [1, None, 1.5, ["a"], object()])
def test_values_of_other_types_are_refused(strings: StringClient, value: object) -> None:
    with pytest.raises(TypeError, match="value must be str or bytes"):
        strings.set("key", value)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="value must be str or bytes"):
        strings.set_multi({"key": value})  # type: ignore[dict-item]


def test_flags_are_kept(strings: StringClient) -> None:
    for flags in (0, 1, 17, 0x18000, 2**32 - 1):
        assert strings.set("key", "value", 0, flags) is True
        assert strings.getflags("key") == (b"value", flags)
        assert strings.get_multiflags(["key"]) == {"key": (b"value", flags)}
    assert strings.getflags("missing") is None
    strings.add("other", "value", flags=5)
    strings.replace("other", "value", flags=6)
    assert strings.getflags("other") == (b"value", 6)
    assert strings.set_multi({"a": "1", "b": "2"}, flags=9) == []
    assert strings.get_multiflags(["a", "b", "c"]) == {"a": (b"1", 9), "b": (b"2", 9)}


@pytest.mark.parametrize("flags", [-1, 2**32, "1", None, 1.5])
def test_flags_out_of_range_are_refused(strings: StringClient, flags: object) -> None:
    with pytest.raises(ValueError, match="flags"):
        strings.set("key", "value", 0, flags)  # type: ignore[arg-type]


def test_storing_tells_what_happened(strings: StringClient) -> None:
    assert strings.replace("key", "x") is False
    assert strings.append("key", "x") is False
    assert strings.prepend("key", "x") is False
    assert strings.add("key", "b") is True
    assert strings.add("key", "x") is False
    assert strings.append("key", b"c") is True
    assert strings.prepend("key", "a") is True
    assert strings.replace("key", strings.get("key") or b"") is True
    assert strings.get("key") == b"abc"


def test_gets_and_cas_carry_tokens(strings: StringClient) -> None:
    strings.set("key", "one", flags=3)
    item = strings.gets("key")
    assert item is not None
    assert item[:2] == (b"one", 3)
    assert strings.cas("key", "two", item.token, flags=4) is True
    assert strings.cas("key", "three", item.token) is False
    assert strings.getflags("key") == (b"two", 4)
    strings.delete("key")
    assert strings.cas("key", "three", item.token) is None
    assert strings.gets("key") is None
    with pytest.raises(ValueError, match="token"):
        strings.cas("key", "three", -1)


def test_gets_multi_carries_tokens_that_cas_takes(strings: StringClient) -> None:
    strings.set_multi({f"key{number}": f"value{number}" for number in range(20)}, flags=7)
    items = strings.gets_multi([f"key{number}" for number in range(25)])
    assert len(items) == 20
    for number in range(20):
        item = items[f"key{number}"]
        assert item == Item(b"value%d" % number, 7, item.token)
        assert strings.cas(f"key{number}", "new", item.token) is True
    assert len({item.token for item in items.values()}) == 20


def test_gat_and_gats_read_and_touch(strings: StringClient, server: Memcached) -> None:
    strings.set("key", "value", flags=2)
    assert strings.gat("key", 50) == b"value"
    assert 48 <= int(server.ask(b"mg key t\r\n").split(b"t")[1]) <= 50
    item = strings.gats("key", timedelta(seconds=1000))
    assert item is not None
    assert item[:2] == (b"value", 2)
    assert 998 <= int(server.ask(b"mg key t\r\n").split(b"t")[1]) <= 1000
    assert strings.cas("key", "new", item.token) is True
    assert strings.gat("missing", 50) is None
    assert strings.gats("missing", 50) is None


def test_many_keys_at_once(strings: StringClient) -> None:
    values = {f"key{number}": b"%d" % number * number for number in range(300)}
    assert strings.set_multi(values) == []
    assert strings.get_multi([*values, "missing"]) == values
    assert strings.get_multi(["1", "2"], key_prefix="key") == {"1": b"1", "2": b"22"}
    assert strings.delete_multi(["key1", "key2", "missing"]) == {"key1": True, "key2": True, "missing": False}
    assert strings.get_multi(["key1", "key2", "key3"]) == {"key3": b"333"}
    assert strings.get_multi([]) == {}
    assert strings.set_multi({}) == []
    assert strings.delete_multi([]) == {}


def test_counting(strings: StringClient) -> None:
    strings.set("key", "10")
    assert strings.incr("key") == 11
    assert strings.incr("key", 9) == 20
    assert strings.decr("key", 5) == 15
    assert strings.decr("key", 50) == 0
    assert strings.incr("missing") is None
    assert strings.incr("made", 3, initial=40, time=100) == 40
    assert strings.incr("made", 3, initial=40) == 43
    strings.set("words", "many")
    with pytest.raises(cmemcache.NotNumericError):
        strings.incr("words")
    for delta in (-1, 2**64, "x", 1.5, None):
        with pytest.raises(ValueError, match="delta"):
            strings.incr("key", delta)  # type: ignore[arg-type]


def test_delete_ignores_its_time(strings: StringClient) -> None:
    strings.set("key", "value")
    assert strings.delete("key", 5) is True
    assert strings.delete("key") is False


def test_touch(strings: StringClient) -> None:
    strings.set("key", "value")
    assert strings.touch("key", -1) is True
    assert strings.get("key") is None
    assert strings.touch("key", 10) is False


def test_expiry_times_are_cut_to_what_memcached_can_express(strings: StringClient) -> None:
    assert strings.set("key", "value", 2**40) is True
    assert strings.get("key") == b"value"
    assert strings.set("key", "value", -1) is True
    assert strings.get("key") is None


def test_metadata_tells_of_an_item_without_reading_it(server: Memcached) -> None:
    with StringClient([server.address], protocol="meta", **PATIENT) as strings:
        strings.set("key", "value", 100)
        one = strings.metadata("key")
        assert one is not None
        assert one.ttl is not None
        assert 98 <= one.ttl <= 100
        assert one.fetched is False
        assert one.size > len("key") + len("value")
        assert one.cas > 0
        strings.get("key")
        strings.set("forever", "value")
        again, forever = strings.metadata("key"), strings.metadata("forever")
        assert again is not None
        assert again.fetched is True
        assert forever is not None
        assert forever.ttl is None
        assert strings.metadata("missing") is None
        with pytest.raises(cmemcache.KeyTypeError):
            strings.metadata((1, "key"))  # type: ignore[arg-type]
    with (
        StringClient([server.address], protocol="classic", **PATIENT) as strings,
        pytest.raises(cmemcache.UnsupportedError),
    ):
        strings.metadata("key")


def test_servers_are_asked_for_version_stats_and_verbosity(servers: list[Memcached], protocol: str) -> None:
    addresses = [one.address for one in servers]
    with StringClient([*addresses, "127.0.0.1:1"], protocol=protocol, **PATIENT) as strings:
        versions = strings.version()
        assert [one.server for one in versions] == [*addresses, "127.0.0.1:1"]
        assert all(one.reply and one.reply[0].isdecimal() and one.error is None for one in versions[:3])
        assert versions[3].reply is None
        assert isinstance(versions[3].error, cmemcache.ServerDownError)
        assert [one.reply for one in strings.verbosity(1)[:3]] == ["OK"] * 3
        stats = strings.server_stats()
        assert stats[0].stats["pid"].isdecimal()
        assert stats[3].stats == {}
        assert stats[3].error is not None
        assert [name for name, _ in strings.get_stats()] == [f"{address} (1)" for address in addresses]
        for number in range(30):
            strings.set(f"key{number}", "value")
        strings.flush_all()
        assert strings.get_multi([f"key{number}" for number in range(30)]) == {}
        with pytest.raises(ValueError, match="delay"):
            strings.flush_all(-1)
        with pytest.raises(ValueError, match="level"):
            strings.verbosity(-1)


def test_a_delayed_flush_leaves_items_until_then(strings: StringClient, server: Memcached) -> None:
    strings.set("key", "value")
    strings.flush_all(100)
    assert strings.get("key") == b"value"
    # Takes the delayed flush back.
    server.flush()


def test_metrics_count_what_was_done(strings: StringClient) -> None:
    strings.set("key", "value")
    strings.get("key")
    strings.get_multi(["key", "missing", "other"])
    (metrics,) = strings.metrics()
    assert metrics.hits == 2
    assert metrics.misses == 2
    assert metrics.operations >= 5
    assert metrics.state is cmemcache.ServerState.UP
    assert metrics.connects == 1
    assert metrics.bytes_read > 0
    assert metrics.bytes_written > 0
    assert metrics.in_flight == 0


def test_binary_keys_are_any_bytes(server: Memcached) -> None:
    with StringClient([server.address], protocol="meta", binary_keys=True, **PATIENT) as strings:
        keys = [b"\0\r\n ", bytes(range(186)), "a b"]
        assert strings.set_multi(dict.fromkeys(keys, b"value")) == []
        assert strings.get_multi(keys) == dict.fromkeys(keys, b"value")
        assert strings.get(b"\0\r\n ") == b"value"
        with pytest.raises(cmemcache.KeyTooLongError):
            strings.get(b"x" * 187)


def test_a_key_prefix_of_the_client_is_in_front_of_every_key(server: Memcached, protocol: str) -> None:
    with StringClient([server.address], protocol=protocol, key_prefix="app:", **PATIENT) as strings:
        strings.set("key", "value")
        assert server.raw("app:key") == (b"value", 0)
        assert strings.get_multi(["key"]) == {"key": b"value"}
        with pytest.raises(cmemcache.KeyTooLongError):
            strings.get("k" * 247)


def test_a_set_without_servers_fails_without_raising(protocol: str) -> None:
    with StringClient([], protocol=protocol) as strings:
        assert strings.set("key", "value") == 0
        assert strings.get("key") is None
        assert strings.get_multi(["key"]) == {}
        assert strings.version() == []
    with StringClient(protocol=protocol, **PATIENT) as strings, memcached() as server:
        strings.set_servers([server.address])
        assert strings.set("key", "value") is True


@pytest.mark.parametrize("servers", [[11211], [("localhost:11211", "1")], "localhost:11211"])
def test_set_servers_refuses_what_is_no_list_of_servers(strings: StringClient, servers: object) -> None:
    with pytest.raises(TypeError):
        strings.set_servers(servers)  # type: ignore[arg-type]
    assert strings.set("key", "value") is True


def test_the_value_limit_is_the_clients(server: Memcached, protocol: str) -> None:
    with StringClient([server.address], protocol=protocol, max_value_size=5, **PATIENT) as strings:
        assert strings.set("key", "12345") is True
        assert strings.set("key", "123456") is False
        assert strings.set_multi({"key": "123456", "other": "1"}) == ["key"]
        assert strings.get_multi(["key", "other"]) == {"key": b"12345", "other": b"1"}
    with StringClient([server.address], protocol=protocol, max_value_size=5, errors="raise", **PATIENT) as strings:
        with pytest.raises(cmemcache.ValueTooLargeError, match="5"):
            strings.set("key", "123456")
        with pytest.raises(cmemcache.BatchError) as caught:
            strings.set_multi({"key": "123456", "other": "1"})
        assert caught.value.results == {"other": True}
        assert isinstance(caught.value.errors["key"], cmemcache.ValueTooLargeError)


def test_a_raising_client_raises_and_still_tells_a_miss(loud: StringClient, server: Memcached) -> None:
    assert loud.get("missing") is None
    assert loud.add("key", "1") is True
    assert loud.add("key", "1") is False
    loud.set_servers(["127.0.0.1:1"])
    for call in (
        lambda: loud.get("key"),
        lambda: loud.set("key", "1"),
        lambda: loud.delete("key"),
        lambda: loud.incr("key"),
        lambda: loud.touch("key"),
        lambda: loud.metadata("key"),
    ):
        with pytest.raises(cmemcache.ServerDownError) as caught:
            call()
        assert caught.value.server == "127.0.0.1:1"
    for batch in (
        lambda: loud.get_multi(["a", "b"]),
        lambda: loud.set_multi({"a": "1", "b": "2"}),
        lambda: loud.delete_multi(["a", "b"]),
    ):
        with pytest.raises(cmemcache.BatchError) as failed:
            batch()
        assert set(failed.value.errors) == {"a", "b"}
        assert all(isinstance(error, cmemcache.ServerDownError) for error in failed.value.errors.values())
    with pytest.raises(cmemcache.BatchError):
        loud.flush_all()
