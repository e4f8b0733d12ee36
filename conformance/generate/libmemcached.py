"""Writes ../libmemcached.json: the servers that the C library libmemcached itself chooses, where ../placement.json has no
case: unix sockets, IPv6, one server, equal servers at the counts where single precision shows, weights far apart.

Run it where libmemcached.so.11 can be loaded: `python libmemcached.py`.
"""

import ctypes
import re

from vectors import named, write

library = ctypes.CDLL("libmemcached.so.11")
library.memcached_create.restype = ctypes.c_void_p
library.memcached_create.argtypes = [ctypes.c_void_p]
library.memcached_behavior_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64]
library.memcached_server_add_with_weight.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_uint32]
library.memcached_server_add_unix_socket_with_weight.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
library.memcached_generate_hash.restype = ctypes.c_uint32
library.memcached_generate_hash.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]

# The numbers of MEMCACHED_BEHAVIOR_KETAMA and MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED.
KETAMA = 3
KETAMA_WEIGHTED = 16

KEYS = ["foo", "bar", "key:1", "user:42", "session:abc", "a", "naïve", "ключ", "鍵", "k" * 55, "k" * 56, "k" * 250]
KEYS += [f"user:{i * 7919}" for i in range(28)]

CLUSTERS = [
    [("10.0.1.1", 1)],
    [("unix:/run/a.sock", 1), ("unix:/run/b.sock", 1), ("unix:/run/c.sock", 2)],
    [("[::1]:11211", 1), ("[fe80::1]:11212", 1), ("localhost:11300", 1), ("unix:/run/a.sock", 1)],
    [("10.0.1.1", 1), ("10.0.1.2", 1000), ("10.0.1.3:11212", 10), ("10.0.1.4", 100)],
    *[[(f"10.0.{i // 100}.{i % 100}", 1) for i in range(count)] for count in (25, 47, 61, 100)],
]


def place(servers, behavior):
    cluster = library.memcached_create(None)
    if behavior is not None:
        check(library.memcached_behavior_set(cluster, behavior, 1))
    for address, weight in servers:
        if address.startswith("unix:"):
            path = address.removeprefix("unix:").encode()
            check(library.memcached_server_add_unix_socket_with_weight(cluster, path, weight))
        else:
            host, port = re.fullmatch(r"\[?(.*?)\]?(?::(\d+))?", address).groups()
            check(library.memcached_server_add_with_weight(cluster, host.encode(), int(port or 11211), weight))
    wire = [key.encode() for key in KEYS]
    return [library.memcached_generate_hash(cluster, key, len(key)) for key in wire]


def check(status):
    assert status == 0, status


def case(servers):
    # A weight would turn KETAMA's points into those of KETAMA_WEIGHTED.
    equals = [(address, 1) for address, _ in servers]
    return {
        "servers": [{"address": address, "weight": weight} for address, weight in servers],
        "keys": KEYS,
        "server_index": {
            "modula": place(equals, None),
            "ketama": place(equals, KETAMA),
            "ketama_weighted": place(servers, KETAMA_WEIGHTED),
        },
    }


ABOUT = "index of the server that libmemcached chooses for each key; only ketama_weighted heeds the weights"
write("libmemcached.json", ABOUT, named(case(servers) for servers in CLUSTERS))
