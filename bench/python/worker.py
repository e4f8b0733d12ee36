"""One client in a process of its own: reads work from standard input, a line of JSON each, and answers with its times."""

from __future__ import annotations

import json
import sys

from clients import SUBJECTS
from work import Bench, Work


def main() -> None:
    """`worker.py CLIENT TAG`."""
    subject, tag = SUBJECTS[sys.argv[1]], sys.argv[2]
    benches: dict[int, Bench] = {}
    for line in sys.stdin:
        order = json.loads(line)
        port = order["port"]
        try:
            if port not in benches:
                benches[port] = Bench(subject, tag, port)
            answer = benches[port].measure(Work(**order["work"]), order["seconds"])
        except Exception as fault:
            # A client that fails at some work is shown with its words, and goes on with the rest.
            answer = {"error": f"{type(fault).__name__}: {fault}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
