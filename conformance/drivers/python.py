"""Writes and reads values as conformance/matrix.py asks: a line of JSON in, a line of JSON out.

`python.py CLIENT`, which is cmemcache, portable (cmemcache with portable=True), python-memcached or pymemcache.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

MISSING = object()
#: From so many bytes on a client compresses that is told to.
COMPRESS = 1000


def value_of(tagged: dict[str, Any]) -> Any:
    """The value of {null}, {boolean}, {integer}, {float}, {text}, {bytes}, {list} or {map}."""
    [(kind, content)] = tagged.items()
    if kind == "list":
        return [value_of(one) for one in content]
    if kind == "map":
        return {name: value_of(one) for name, one in content.items()}
    if kind == "null":
        return None
    return {"boolean": bool, "integer": int, "float": float, "text": str, "bytes": base64.b64decode}[kind](content)


def tagged(value: Any) -> dict[str, Any]:
    """A value with its type."""
    if value is None:
        return {"null": True}
    kind = type(value)
    if kind is list:
        return {"list": [tagged(one) for one in value]}
    if kind is dict:
        return {"map": {name: tagged(one) for name, one in value.items()}}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode()}
    names: dict[type, tuple[str, Callable[[Any], Any]]] = {
        bool: ("boolean", bool),
        int: ("integer", str),
        float: ("float", repr),
        str: ("text", str),
    }
    name, told = names[kind]
    return {name: told(value)}


class Cmemcache:
    """cmemcache, which raises what goes wrong."""

    def __init__(self, servers: list[str], placement: str, portable: bool = False) -> None:
        import cmemcache

        self._client = cmemcache.Client(
            servers,
            placement=placement,
            portable=portable,
            errors="raise",
            socket_timeout=20,
            server_max_value_length=0,
            failover="fail_fast",
        )

    def write(self, key: str, value: Any, compress: bool) -> None:
        self._client.set(key, value, min_compress_len=COMPRESS if compress else 0)

    def read(self, key: str) -> Any:
        return self._client.get(key, MISSING)


class PythonMemcached:
    """python-memcached, as it is."""

    def __init__(self, servers: list[str], placement: str) -> None:
        import memcache

        assert placement == "modulo"
        self._client = memcache.Client(servers, server_max_value_length=0, socket_timeout=20)

    def write(self, key: str, value: Any, compress: bool) -> None:
        assert self._client.set(key, value, min_compress_len=COMPRESS if compress else 0)

    def read(self, key: str) -> Any:
        return self._client.get(key, MISSING)


class Pymemcache:
    """pymemcache with the serializer that Django gives it."""

    def __init__(self, servers: list[str], placement: str) -> None:
        from pymemcache import HashClient, serde

        assert placement == "rendezvous" or len(servers) == 1
        self._clients = {
            compress: HashClient(
                servers, serde=serde.CompressedSerde(min_compress_len=COMPRESS if compress else 0), timeout=20
            )
            for compress in (False, True)
        }

    def write(self, key: str, value: Any, compress: bool) -> None:
        assert self._clients[compress].set(key, value, noreply=False)

    def read(self, key: str) -> Any:
        return self._clients[True].get(key, MISSING)


CLIENTS: dict[str, Callable[[list[str], str], Any]] = {
    "cmemcache": Cmemcache,
    "portable": lambda servers, placement: Cmemcache(servers, placement, portable=True),
    "python-memcached": PythonMemcached,
    "pymemcache": Pymemcache,
}


def carried_out(client: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """What the client answers; an exception is a refusal of its name."""
    try:
        if asked["op"] == "write":
            client.write(asked["key"], value_of(asked["value"]), asked["compress"])
            return {"ok": True}
        value = client.read(asked["key"])
    except Exception as error:
        return {"refused": type(error).__name__}
    return {"miss": True} if value is MISSING else {"value": tagged(value)}


def main(kind: str) -> None:
    client = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["op"] == "open":
            client = CLIENTS[kind](asked["servers"], asked["placement"])
            answer: dict[str, Any] = {"ok": True}
        else:
            answer = carried_out(client, asked)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
