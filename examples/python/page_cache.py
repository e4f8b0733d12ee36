"""Caches what is slow to make: read through a cache that may be cold, full or down.

python page_cache.py 127.0.0.1:11211
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta

import cmemcache


def render(page: str) -> str:
    """Stands for something slow, such as a query and a template."""
    time.sleep(0.05)
    return f"<h1>{page}</h1>"


def page_of(client: cmemcache.Client, page: str) -> str:
    """The page, from the cache if it is there. A cache that fails reads as a miss."""
    cached = client.get(f"page:{page}")
    if isinstance(cached, str):
        return cached
    fresh = render(page)
    client.set(f"page:{page}", fresh, time=timedelta(minutes=5), min_compress_len=1024)
    return fresh


def main() -> None:
    """Asks for the same page twice."""
    with cmemcache.Client([sys.argv[1]], socket_timeout=0.5) as client:
        client.delete("page:home")
        for attempt in ("made", "cached"):
            began = time.perf_counter()
            page = page_of(client, "home")
            print(f"{attempt}: {page} after {(time.perf_counter() - began) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
