"""Writes ../rendezvous.json: the servers that pymemcache's HashClient itself chooses.

Run it where pymemcache 4 is installed: `python rendezvous.py`.
"""

from itertools import count, islice

from pymemcache import HashClient
from pymemcache.client.base import normalize_server_spec
from pymemcache.client.murmur3 import murmur3_32

from vectors import named, write

KEYS = ["foo", "bar", "key:1", "key:2", "key:3", "user:42", "session:abc", "a", "hello_world"]
KEYS += ["k" * length for length in (2, 3, 4, 5, 6, 7, 8, 249, 250)]
KEYS += [f"user:{i * 7919}" for i in range(20)] + ["naïve", "blü1", "ключ:77", "鍵", "😀:1"]


def ties():
    """Pairs of servers whose scores for the key "tie" are equal."""
    seen = {}
    for i in count():
        server = f"cache{'x' * (i % 4)}-{i}.example.net:11211"
        other = seen.setdefault(murmur3_32(f"{server}-tie"), server)
        if other != server:
            yield [other, server]


def case(servers, keys):
    client = HashClient(servers, allow_unicode_keys=True)
    nodes = [client._make_client_key(normalize_server_spec(server)) for server in servers]
    chosen = [client._make_client_key(client._get_client(key).server) for key in keys]
    return {
        "servers": [{"address": server, "weight": 1} for server in servers],
        "keys": keys,
        "server_index": {"rendezvous": [nodes.index(node) for node in chosen]},
    }


CASES = [
    case(["10.0.1.1:11211"], KEYS[:3]),
    case([f"10.0.1.{i}:11211" for i in range(1, 6)], KEYS),
    case(
        ["a", "bc", "def", "ghij:1", "klmno:22", "10.0.0.1", "10.0.0.10:11300", "[::1]:11211", "[fe80::1]:11212"], KEYS
    ),
    case(["unix:/run/a.sock", "unix:/run/bb.sock", "unix:/run/ccc.sock", "localhost"], KEYS),
    case([f"cache-{i}.example.net:{11211 + i % 3}" for i in range(60)], KEYS),
    *[case(pair[::order], ["tie"]) for pair in islice(ties(), 8) for order in (1, -1)],
    case(["10.0.1.1", "10.0.1.2", "10.0.1.1"], KEYS),
    case(["10.0.1.1"] * 40, KEYS),
]
write("rendezvous.json", "index of the server that pymemcache's HashClient chooses for each key", named(CASES))
