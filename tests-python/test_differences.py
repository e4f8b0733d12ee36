"""What docs/compatibility.md says of python-memcached is so: each test shows there what is better here."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import memcache
import pytest

from cmemcache import Client
from servers import Memcached, free_port

MakeClient = Callable[..., Client]


@pytest.fixture
def theirs(server: Memcached) -> Any:
    return memcache.Client([server.address])


def test_the_default_when_the_server_is_down(make: MakeClient) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert memcache.Client([address]).get("key", "default") is None
    assert make([address]).get("key", "default") == "default"


def test_an_unknown_flag_in_a_batch(theirs: Any, client: Client, server: Memcached) -> None:
    server.put("bad", b"data", 64)
    server.put("good", b"value", 16)
    for number in range(3):
        server.put(f"other:{number}", b"other", 16)
    keys = ["bad", "other:0", "other:1", "other:2"]
    with pytest.raises(ValueError, match="Unknown flags"):
        theirs.get_multi(keys)
    assert theirs.get("good") == "other"
    assert client.get_multi(keys) == {"bad": None, "other:0": "other", "other:1": "other", "other:2": "other"}
    assert client.get("good") == "value"


def test_a_key_that_ends_with_a_newline(theirs: Any, client: Client) -> None:
    theirs.set("good", "value")
    theirs.get("good\n")
    assert theirs.get("good") is None
    with pytest.raises(Client.MemcachedKeyCharacterError):
        client.get("good\n")
    assert client.get("good") == "value"


def test_seven_and_seven_in_one_batch(theirs: Any, client: Client) -> None:
    client.set("7", "value")
    assert theirs.get_multi([7, "7"]) == {"7": "value"}
    assert client.get_multi([7, "7"]) == {7: "value", "7": "value"}


def test_a_key_encoder_in_get_multi(make: MakeClient, server: Memcached) -> None:
    options = {"key_encoder": lambda key: key + "+"}
    theirs, ours = memcache.Client([server.address], **options), make([server.address], **options)
    ours.set("key", "value")
    assert theirs.get("key") == "value"
    assert theirs.get_multi(["key"]) == {}
    assert ours.get_multi(["key"]) == {"key": "value"}


def test_an_oversized_value_in_set_multi(make: MakeClient, server: Memcached) -> None:
    theirs = memcache.Client([server.address], socket_timeout=0.3)
    ours = make([server.address])
    mapping = {"small": b"1", "large": b"x" * 1_048_577}
    began = time.monotonic()
    theirs.set_multi(mapping)
    assert time.monotonic() - began > 0.25
    assert theirs.servers[0].deaduntil > 0
    assert ours.set_multi(mapping) == ["large"]
    assert ours.metrics()[0].timeouts == 0


def test_cas_of_a_key_with_a_hash(make: MakeClient, servers: list[Memcached]) -> None:
    addresses = [one.address for one in servers]
    theirs, ours = memcache.Client(addresses), make(addresses)
    routes = range(3)
    for route in routes:
        theirs.cas((route, "key"), "there")
    assert sum(one.raw("key") is not None for one in servers) == 1
    for route in routes:
        ours.cas((route, "key"), "here")
    assert all(one.raw("key") == (b"here", 16) for one in servers)


def test_get_slabs(theirs: Any, client: Client) -> None:
    client.set("key", "value")
    with pytest.raises(TypeError):
        theirs.get_slabs()
    assert client.get_slabs()[0][1]


def test_none_as_the_key_of_a_tuple_in_a_batch(theirs: Any, client: Client) -> None:
    theirs.set_multi({(1, None): "value"})
    assert theirs.get("None") == "value"
    with pytest.raises(Client.MemcachedKeyNoneError):
        client.set_multi({(1, None): "value"})


def test_times(theirs: Any, client: Client) -> None:
    def lives(one: Any, when: Any) -> bool:
        one.set("key", "value", time=when)
        return one.get("key") is not None

    month_and_a_day = 31 * 86400
    assert not lives(theirs, month_and_a_day)
    assert lives(client, month_and_a_day)
    assert lives(theirs, timedelta(0))
    assert not lives(client, timedelta(0))
    with pytest.raises(TypeError):
        theirs.add("other", "value", time=timedelta(minutes=1))
    assert client.add("other", "value", time=timedelta(minutes=1)) is True
    assert theirs.touch("other", 60.5) == 0
    assert client.touch("other", 60.5) == 1


def test_delete_multi_with_a_time(theirs: Any, client: Client) -> None:
    client.set("key", "value")
    assert theirs.delete_multi(["key"], time=5) == 1
    assert client.get("key") == "value"
    assert client.delete_multi(["key"], time=5) == 1
    assert client.get("key") is None


def test_a_bare_string_and_a_port_as_a_weight() -> None:
    assert len(memcache.Client("abc").servers) == 3
    assert memcache.Client([("localhost", 11211)]).servers[0].weight == 11211
    with pytest.raises(TypeError, match="must be a list"):
        Client("abc")
    with pytest.raises(ValueError, match="for a port write localhost:11211"):
        Client([("localhost", 11211)])


def test_restarting_within_a_call_blacks_the_server_out(own_server: Memcached, protocol: str) -> None:
    theirs = memcache.Client([own_server.address], dead_retry=30)
    with Client([own_server.address], protocol=protocol, dead_retry=30) as ours:
        own_server.kill()
        theirs.get("key")
        ours.get("key")
        own_server.start()
        deadline = time.monotonic() + 20
        while not ours.set("key", "value"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert theirs.get("key") is None
        assert ours.get("key") == "value"
