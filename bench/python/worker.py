"""One client in a process of its own: reads work from standard input, a line of JSON each, and answers with its times."""

from __future__ import annotations

import json
import sys
from typing import Any

from clients import SUBJECTS
from measure import Bench


def main() -> None:
    """`worker.py CLIENT TAG`."""
    subject, tag = SUBJECTS[sys.argv[1]], sys.argv[2]
    version = subject.version()
    # No version: the client is not installed for this Python.
    print(json.dumps({} if version is None else {"version": version}), flush=True)
    benches: dict[tuple[int, ...], Bench] = {}
    for line in sys.stdin:
        order = json.loads(line)
        ports = tuple(order["ports"])
        try:
            if ports not in benches:
                benches[ports] = Bench(subject, tag, list(ports))
            answer: dict[str, Any] = benches[ports].measure(order["work"], order["seconds"])
        except Exception as fault:
            # A client that fails at some work is shown with its words, and goes on with the rest.
            answer = {"error": f"{type(fault).__name__}: {fault}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
