"""Fixtures: every server is a real memcached, started here on a free loopback port and ended by its process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cmemcache

sys.path.insert(0, str(Path(__file__).parent))

from servers import PATIENT, Listener, Memcached, listener, memcached

PROTOCOLS = ("meta", "classic")


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Memcached]:
    with memcached() as server:
        yield server


@pytest.fixture
def server(shared_server: Memcached) -> Memcached:
    """A memcached without items."""
    shared_server.flush()
    return shared_server


@pytest.fixture
def own_server() -> Iterator[Memcached]:
    """A memcached that the test may kill."""
    with memcached() as one:
        yield one


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[list[Memcached]]:
    with memcached() as one, memcached() as two, memcached() as three:
        yield [one, two, three]


@pytest.fixture
def servers(shared_servers: list[Memcached]) -> list[Memcached]:
    """Three memcached servers without items."""
    for one in shared_servers:
        one.flush()
    return shared_servers


@pytest.fixture
def recorder() -> Iterator[Listener]:
    """A listener that accepts, records and never answers."""
    with listener() as one:
        yield one


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """The protocol that clients are told to speak."""
    return str(request.param)


@pytest.fixture
def client(server: Memcached, protocol: str) -> Iterator[cmemcache.Client]:
    """A quiet client."""
    with cmemcache.Client([server.address], protocol=protocol) as one:
        yield one


@pytest.fixture
def raising(server: Memcached, protocol: str) -> Iterator[cmemcache.Client]:
    """A client that raises."""
    with cmemcache.Client([server.address], protocol=protocol, errors="raise") as one:
        yield one


@pytest.fixture
def strings(server: Memcached, protocol: str) -> Iterator[cmemcache.StringClient]:
    """A quiet client of byte strings."""
    with cmemcache.StringClient([server.address], protocol=protocol, **PATIENT) as one:
        yield one


@pytest.fixture
def make(protocol: str) -> Iterator[Callable[..., cmemcache.Client]]:
    """Makes clients that end with the test."""
    made: list[cmemcache.Client] = []

    def one(*arguments: object, **options: object) -> cmemcache.Client:
        made.append(cmemcache.Client(*arguments, **{"protocol": protocol, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for client in made:
        client.close()
