"""Writes ../rehash.json: the servers that python-memcached 1.62 itself tries for a key while every server is down.

Run it where python-memcached 1.62 is installed: `python rehash.py`.
"""

import memcache

from vectors import named, write

assert memcache.__version__ == "1.62", memcache.__version__

CLUSTERS = [
    [("10.0.1.1:11211", 1)],
    [("10.0.1.1:11211", 1), ("10.0.1.2:11211", 1)],
    [(f"10.0.1.{i}:11211", 1) for i in range(1, 6)],
    [("10.0.1.1:11211", 3), ("10.0.1.2:11212", 1), ("inet6:[fe80::1]:11213", 2), ("unix:/run/memcached.sock", 5)],
    [(f"cache-{i}.example.net", 1 + i % 7) for i in range(40)],
]

KEYS = ["foo", "bar", "key:1", "key:2", "user:42", "session:abc", "a", "hello_world", "naïve", "ключ", "鍵", "k" * 250]
ROUTES = [0, 1, 7, 32767, 32768, -1, -12345, 2**31, 2**32 + 5, 2**63 - 1, -(2**63)]


def tried_by(client, key):
    """The indices of the servers that a get asks, in order."""
    tried = []
    for index, server in enumerate(client.servers):
        server.connect = lambda index=index: tried.append(index)
    client.get(key)
    return tried


def case(servers):
    client = memcache.Client(servers)
    return {
        "servers": [{"address": address, "weight": weight} for address, weight in servers],
        "keys": [{"key": key, "tried": tried_by(client, key)} for key in KEYS],
        "routes": [{"route": route, "tried": tried_by(client, (route, "any"))} for route in ROUTES],
    }


ABOUT = (
    "indices of the servers that python-memcached 1.62 tries, in order, while none can be reached; "
    "a route is the number of a (hash, key) tuple"
)
WHY = "the order is decided in the core, where the wrappers have no part"
write("rehash.json", ABOUT, named(case(servers) for servers in CLUSTERS), ["rust"], WHY)
