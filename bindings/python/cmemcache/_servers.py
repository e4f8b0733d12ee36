"""Servers: what callers may name them, and how a client shows its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Union

from ._errors import InvalidArgumentError
from ._native import generated
from ._options import dead_retry_ms

if TYPE_CHECKING:
    from ._base import BaseClient

#: `host`, `host:port`, `inet:host:port`, `inet6:[address]:port`, `[address]:port` or `unix:/path`, or a tuple of that and
#: a weight. The default port is 11211.
ServerSpec = Union[str, "tuple[str, int]"]


def core_specs(servers: Iterable[ServerSpec]) -> list[Any]:
    """The core's form of a list of servers. Raises TypeError for what is no list of servers; the core checks the rest."""
    if isinstance(servers, (str, bytes)):
        raise TypeError(f"servers must be a list such as ['127.0.0.1:11211'], not the string {servers!r}")
    return [_core_spec(server) for server in servers]


def _core_spec(server: object) -> Any:
    weight: object = 1
    address = server
    if isinstance(server, tuple):
        if len(server) != 2:
            raise TypeError(f"a server must be a string or a tuple (string, weight), not {server!r}")
        address, weight = server
    if not isinstance(address, str):
        raise TypeError(f"a server must be a string or a tuple (string, weight), not {server!r}")
    if isinstance(weight, bool) or not isinstance(weight, int):
        raise TypeError(f"the weight of server {address!r} must be an int, not {weight!r}")
    if not 1 <= weight <= 10000:
        hint = f"; for a port write {address}:{weight}" if weight > 10000 else ""
        raise InvalidArgumentError(f"weight of {weight} of server {address!r} is not in 1 to 10000{hint}")
    return generated.ServerSpec(address=address, weight=weight)


class Server:
    """One server of a client, with the attributes of python-memcached's hosts that programs use."""

    def __init__(self, client: BaseClient, index: int, name: str, weight: int) -> None:
        self._client = client
        self._index = index
        self._name = name
        #: Its share of the keys.
        self.weight = weight
        #: (host, port), or the path of a unix socket.
        self.address: Union[str, tuple[str, int]]
        if name.startswith("unix:"):
            self.address = name[len("unix:") :]
            self.family = socket.AF_UNIX
        else:
            host, _, port = name.rpartition(":")
            self.family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            self.address = (host.strip("[]"), int(port))
            self.ip, self.port = self.address

    @property
    def deaduntil(self) -> float:
        """The time, in seconds since 1970, until which the client leaves this server alone; 0 if it uses it.

        Setting it puts the server down until then; with a time that has passed it is used again at once.
        """
        metrics = self._client.metrics()
        down_for_ms = metrics[self._index].down_for_ms if self._index < len(metrics) else 0
        return time.time() + down_for_ms / 1000 if down_for_ms else 0

    @deaduntil.setter
    def deaduntil(self, moment: float) -> None:
        left = moment - time.time()
        self._client._mark_down(self._name, dead_retry_ms(left) if left > 0 else 0)

    def connect(self) -> int:
        """Asks the server whether it answers: 1 or 0."""
        replies = self._client.version()
        return int(self._index < len(replies) and replies[self._index].error is None)

    def mark_dead(self, reason: object) -> None:
        """Has the client leave this server alone for its `dead_retry`."""
        self._client._mark_dead(self._name, reason)

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"<Server {self._name} weight {self.weight}>"
