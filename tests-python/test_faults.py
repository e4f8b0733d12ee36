"""What servers and networks do to clients, a test each; in every protocol, through the packed calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

import cmemcache
from cmemcache.testing import Fault, Server
from servers import PATIENT

Ready = tuple[Server, cmemcache.StringClient]


@contextlib.contextmanager
def ready_server(protocol: str) -> Iterator[Ready]:
    with (
        Server() as server,
        cmemcache.StringClient(
            [server.address], protocol=protocol, errors="raise", failure_limit=1000, **PATIENT
        ) as client,
    ):
        fill(client)
        yield server, client


@pytest.fixture
def ready(protocol: str) -> Iterator[Ready]:
    with ready_server(protocol) as both:
        yield both


def fill(client: cmemcache.StringClient) -> None:
    client.set("k", b"value of k", flags=7)
    client.set("other", b"value of other")


def is_well(client: cmemcache.StringClient) -> None:
    """Every key has its own value: no reply reached another call."""
    for _ in range(3):
        assert client.get("k") == b"value of k"
        assert client.get("other") == b"value of other"
        assert client.get_multi(["k", "missing", "other"]) == {"k": b"value of k", "other": b"value of other"}


def test_the_late_reply_of_a_timed_out_call_never_reaches_another_call(ready: Ready) -> None:
    server, client = ready
    for _ in range(5):
        server.inject(Fault.delay(0.1))
        with pytest.raises(cmemcache.TimeoutError):
            client.get("k", timeout=0.03)
        assert client.get("other") == b"value of other"
    is_well(client)


def test_a_reply_split_at_every_byte_is_whole(ready: Ready) -> None:
    server, client = ready
    large = bytes(range(256)) * 300
    for length in range(41):
        server.inject(Fault.split(length))
        item = client.gets("k")
        assert item is not None
        assert (item.value, item.flags) == (b"value of k", 7)
        server.inject(Fault.split(length), 3)
        assert len(client.get_multi(["k", "missing", "other"])) == 2
        server.clear()
        fill(client)
    client.set("large", large)
    server.inject(Fault.split(1000))
    assert client.get("large") == large


@pytest.mark.parametrize("length", range(21))
def test_a_server_that_closes_inside_a_reply_is_an_error_and_no_value(ready: Ready, length: int) -> None:
    server, client = ready
    # Once for the read and once for its repetition.
    server.inject(Fault.truncate(length), 2)
    with pytest.raises(cmemcache.DisconnectedError):
        client.get("k")


def test_a_reset_in_a_store_leaves_its_outcome_unknown(ready: Ready) -> None:
    server, client = ready
    server.inject(Fault.reset())
    with pytest.raises(cmemcache.DisconnectedError) as error:
        client.set("k", b"x")
    assert error.value.outcome_unknown
    fill(client)
    is_well(client)


def test_out_of_memory_is_an_error_of_the_server_and_the_connection_is_used_on(ready: Ready) -> None:
    server, client = ready
    before = server.counts().connections
    server.inject(Fault.out_of_memory())
    with pytest.raises(cmemcache.ServerError):
        client.set("k", b"x")
    assert client.get("k") is None
    fill(client)
    is_well(client)
    assert server.counts().connections == before


def test_one_connection_too_many_is_an_error_and_the_next_call_connects(ready: Ready) -> None:
    server, client = ready
    client.disconnect_all()
    server.inject(Fault.too_many_connections(), 1000)
    with pytest.raises(cmemcache.CacheError):
        client.get("k")
    server.clear()
    client.forget_dead_hosts()
    fill(client)
    is_well(client)


@pytest.mark.parametrize(
    "garbage", [b"\0\1\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"VALUE wrong 0 5\r\nwrong\r\nEND\r\n"]
)
def test_garbage_is_an_error_of_the_protocol(ready: Ready, garbage: bytes) -> None:
    server, client = ready
    server.inject(Fault.garbage(garbage))
    with pytest.raises(cmemcache.ProtocolError):
        client.get("k")
    is_well(client)


@pytest.mark.parametrize("fault", [Fault.duplicate(), Fault.drop(), Fault.swap()])
def test_doubled_dropped_and_swapped_replies_never_give_another_keys_value(ready: Ready, fault: Fault) -> None:
    server, client = ready
    for _ in range(3):
        server.inject(fault)
        for key, value in (("k", b"value of k"), ("other", b"value of other")):
            # An error is right, a foreign value is not.
            with contextlib.suppress(cmemcache.UnavailableError):
                assert client.get(key, timeout=0.15) == value
    is_well(client)


def test_a_server_that_falls_silent_costs_no_more_than_the_deadline(ready: Ready) -> None:
    server, client = ready
    server.inject(Fault.silence())
    began = time.monotonic()
    with pytest.raises(cmemcache.TimeoutError):
        client.set("k", b"x", timeout=0.1)
    assert time.monotonic() - began < 5


def test_a_half_closed_connection_is_replaced(ready: Ready) -> None:
    server, client = ready
    before = server.counts().connections
    server.inject(Fault.half_close())
    is_well(client)
    assert server.counts().connections == before + 1


def test_a_server_that_is_gone_is_down_and_one_that_is_back_is_used(ready: Ready) -> None:
    server, client = ready
    server.stop()
    with pytest.raises(cmemcache.UnavailableError):
        client.set("k", b"x")
    with pytest.raises(cmemcache.ServerDownError):
        client.set("k", b"x")
    server.restart()
    client.forget_dead_hosts()
    fill(client)
    is_well(client)


def test_a_restart_between_two_reads_goes_unnoticed(ready: Ready) -> None:
    server, client = ready
    server.restart()
    assert client.get("k") is None


def test_a_quiet_client_turns_every_fault_into_a_miss(protocol: str) -> None:
    with Server() as server, cmemcache.Client([server.address], protocol=protocol, dead_retry=0.05) as client:
        for fault in (Fault.reset(), Fault.truncate(4), Fault.garbage(b"?\r\n"), Fault.out_of_memory()):
            client.forget_dead_hosts()
            assert client.set("k", 1)
            server.inject(fault, 2)
            assert client.set("k", 2) == 0
            server.clear()
