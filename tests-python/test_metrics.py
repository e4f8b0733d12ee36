"""What a client counts for its servers and what servers tell of items, and that every choice of an option is one."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator

import pytest

import cmemcache
from cmemcache import Failover, Placement, ServerState, StringClient, WireProtocol
from servers import PATIENT, Memcached, free_port, listener


def failing(address: str, protocol: str = "meta", timeout: float = 20) -> StringClient:
    options = {**PATIENT, "timeout": timeout}
    return StringClient([address], errors="raise", protocol=protocol, failover="fail_fast", **options)


@contextlib.contextmanager
def hanging_up() -> Iterator[str]:
    """A server that closes every connection on which it is asked something."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with server.accept()[0] as connection:
                        connection.recv(1000)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_failures_are_counted_by_kind(server: Memcached) -> None:
    with failing(f"127.0.0.1:{free_port()}") as refused:
        with pytest.raises(cmemcache.ServerDownError):
            refused.get("k")
        assert refused.metrics()[0].connect_errors == 1
    with listener() as silent, failing(silent.address, timeout=0.5) as waiting:
        with pytest.raises(cmemcache.TimeoutError):
            waiting.get("k")
        assert waiting.metrics()[0].timeouts == 1
        assert waiting.metrics()[0].state is ServerState.SUSPECT
    with hanging_up() as address, failing(address) as dropped:
        with pytest.raises(cmemcache.DisconnectedError):
            dropped.set("k", "v")
        assert dropped.metrics()[0].disconnects == 1
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web, failing(web.address) as misled:
        with pytest.raises(cmemcache.ProtocolError):
            misled.get("k")
        assert misled.metrics()[0].protocol_errors == 1
    with failing(server.address, "classic") as client:
        client.set("k", "text")
        with pytest.raises(cmemcache.NotNumericError):
            client.incr("k")
        assert client.metrics()[0].server_errors == 1


def test_a_server_marked_dead_tells_for_how_long(server: Memcached) -> None:
    with StringClient([server.address], dead_retry=60, **PATIENT) as client:
        client.servers[0].mark_dead("a test")
        metrics = client.metrics()[0]
        assert metrics.state is ServerState.DOWN
        assert 30_000 < metrics.down_for_ms <= 60_000


def test_metadata_tells_what_the_server_knows(server: Memcached) -> None:
    with StringClient([server.address], **PATIENT) as client:
        client.set("k", "value", 100)
        fresh = client.metadata("k")
        assert fresh is not None
        assert (fresh.fetched, fresh.idle < 10, 90 <= (fresh.ttl or 0) <= 110) == (False, True, True)
        assert fresh.slab_class > 0
        assert fresh.size > len("k" + "value")
        client.get("k")
        read = client.metadata("k")
        assert read is not None
        assert (read.fetched, read.cas) == (True, fresh.cas)


PLACEMENTS = [
    Placement.MODULO,
    Placement.MODULA,
    Placement.KETAMA,
    Placement.KETAMA_WEIGHTED,
    Placement.RENDEZVOUS,
]
PROTOCOLS = [WireProtocol.AUTO, WireProtocol.META, WireProtocol.CLASSIC]
FAILOVERS = [Failover.FAIL_FAST, Failover.REHASH]


def test_every_choice_of_every_option_works(servers: list[Memcached]) -> None:
    assert (list(Placement), list(WireProtocol), list(Failover)) == (PLACEMENTS, PROTOCOLS, FAILOVERS)
    for protocol, placement, failover, spin in itertools.product(
        PROTOCOLS, PLACEMENTS, FAILOVERS, ["auto", "off", 100]
    ):
        with StringClient(
            [one.address for one in servers],
            protocol=protocol,
            placement=placement,
            failover=failover,
            spin=spin,
            errors="raise",
            **PATIENT,
        ) as client:
            value = f"{protocol} {placement} {failover} {spin}".encode()
            assert client.set("k", value)
            assert client.get("k") == value
