"""Stores bytes with client flags, and asks the servers about themselves: StringClient.

python raw_bytes.py 127.0.0.1:11211
"""

from __future__ import annotations

import sys

import cmemcache

JPEG = 1000


def main() -> None:
    """Stores a picture, reads it with its flags, and prints what servers and client know."""
    with cmemcache.StringClient([sys.argv[1]]) as client:
        client.set("picture", b"\xff\xd8\xff", time=60, flags=JPEG)
        found = client.getflags("picture")
        print(f"picture: {found}")
        print(f"many: {client.get_multi(['picture', 'missing'])}")
        for server in client.version():
            print(f"{server.server} runs memcached {server.reply}" if server.reply else f"{server.error}")
        for metrics in client.metrics():
            print(f"{metrics.server} is {metrics.state.value}: {metrics.hits} hits, {metrics.misses} misses")


if __name__ == "__main__":
    main()
