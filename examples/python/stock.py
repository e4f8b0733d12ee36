"""Sells from a stock that several processes share, without selling anything twice: tokens and typed errors.

python stock.py 127.0.0.1:11211
"""

from __future__ import annotations

import sys
import threading

import cmemcache


def sell(client: cmemcache.Client, key: str, buyer: str) -> bool:
    """Takes one item for a buyer; False when there is none left. Raises CacheError when the cache fails."""
    while True:
        stock, token = client.gets_with_token(key)
        if not stock:
            return False
        # False when somebody else has changed the stock since: then look again.
        if client.cas(key, stock[1:], token=token):
            print(f"{buyer} bought {stock[0]}")
            return True


def main() -> None:
    """Four buyers share ten items, and the client."""
    with cmemcache.Client([sys.argv[1]], errors="raise") as client:
        try:
            client.set("stock", [f"item {number}" for number in range(10)], time=60)
        except cmemcache.UnavailableError as error:
            raise SystemExit(f"the cache failed: {error}") from error

        def buy(buyer: str) -> None:
            while sell(client, "stock", buyer):
                pass

        buyers = [threading.Thread(target=buy, args=(f"buyer {number}",)) for number in range(4)]
        for one in buyers:
            one.start()
        for one in buyers:
            one.join()
        print(f"left: {client.get('stock')}")


if __name__ == "__main__":
    main()
