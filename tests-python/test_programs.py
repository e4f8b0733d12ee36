"""The example programs and the demo, run as a newcomer runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers import Memcached, free_port

ROOT = Path(__file__).parent.parent
EXAMPLES = {
    "page_cache.py": ["made: <h1>home</h1>", "cached: <h1>home</h1>"],
    "stock.py": ["bought item 9", "left: []"],
    "raw_bytes.py": [r"picture: (b'\xff\xd8\xff', 1000)", "runs memcached 1.", "is up: 2 hits, 1 misses"],
}


def run(program: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MEMCACHED"}
    command = [sys.executable, str(program), *arguments]
    return subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, check=False)


def test_every_example_is_run_here() -> None:
    assert {path.name for path in (ROOT / "examples" / "python").glob("*.py")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_promises(name: str, server: Memcached) -> None:
    outcome = run(ROOT / "examples" / "python" / name, server.address)
    assert outcome.returncode == 0, outcome.stderr
    for promised in EXAMPLES[name]:
        assert promised in outcome.stdout


def test_an_example_says_when_no_server_answers() -> None:
    outcome = run(ROOT / "examples" / "python" / "stock.py", f"127.0.0.1:{free_port()}")
    assert outcome.returncode == 1
    assert "the cache failed: " in outcome.stderr


def test_the_demo_starts_a_server_of_its_own_and_kills_it() -> None:
    outcome = run(ROOT / "demo" / "demo.py")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "a 600 KB object" in outcome.stdout
    assert "embedded" not in outcome.stdout
    assert "ServerDownError" in outcome.stdout
    assert "the same client stores again" in outcome.stdout
    assert "All of it held." in outcome.stdout


def test_the_demo_runs_without_memcached_and_says_so(tmp_path: Path) -> None:
    outcome = run(ROOT / "demo" / "demo.py", PATH=str(tmp_path))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "memcached is not installed: this is not a real one" in outcome.stdout
    assert "the embedded server of cmemcache.testing 1.6.18" in outcome.stdout
    assert "ServerDownError" in outcome.stdout
    assert "All of it held." in outcome.stdout


def test_the_demo_leaves_a_given_server_alive(server: Memcached) -> None:
    outcome = run(ROOT / "demo" / "demo.py", MEMCACHED=server.address)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "left out" in outcome.stdout
    assert server.ask(b"version\r\n").startswith(b"VERSION")


def test_the_demo_says_when_the_given_server_is_none() -> None:
    outcome = run(ROOT / "demo" / "demo.py", MEMCACHED=f"127.0.0.1:{free_port()}")
    assert outcome.returncode == 1
    assert "no memcached answers" in outcome.stderr
