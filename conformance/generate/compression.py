"""Writes ../compression.json: what is compressed, and what compressed values may become. `python compression.py`.

The streams are those of Python's zlib module, which python-memcached calls.
"""

import random
import zlib
from base64 import b64encode

from vectors import write

TEXT, BYTES, ZLIB = 16, 0, 8


def repeated(text, times):
    return {"repeat": text, "times": times}


def written(name, value, compress_from, compressed):
    return {"name": name, "value": value, "compress_from": compress_from, "compressed": compressed}


def stored(name, stream, cap, **more):
    return {
        "name": name,
        "stream": b64encode(stream).decode(),
        "flags": TEXT | ZLIB,
        "cap": cap,
        **more,
    }


noise = random.Random(1).randbytes(1000)
grows = zlib.compress(b"a" * 1000)
CASES = [
    written("text just below the limit", {"text": repeated("a", 999)}, 1000, False),
    written("text at the limit", {"text": repeated("a", 1000)}, 1000, True),
    written("text above the limit", {"text": repeated("a", 1001)}, 1000, True),
    written("a limit of 0 compresses nothing", {"text": repeated("a", 100_000)}, 0, False),
    written("characters count by their bytes", {"text": repeated("ü", 500)}, 1000, True),
    written("bytes", {"bytes": b64encode(b"a" * 1000).decode()}, 1000, True),
    written("bytes that do not get smaller", {"bytes": b64encode(noise).decode()}, 1000, False),
    written("a short text that does not get smaller", {"text": "ab"}, 2, False),
    written("a list", {"list": [{"text": repeated("a", 1000)}]}, 1000, True),
    written("a map", {"map": {"a": {"text": repeated("a", 1000)}}}, 1000, True),
    written("half a megabyte", {"text": repeated("0123456789abcdef", 32_768)}, 1000, True),
    written("an integer, with which the server counts", {"integer": "1" + "0" * 18}, 2, False),
    stored("a stream that grows to the cap", grows, 1000, value={"text": repeated("a", 1000)}),
    stored("a stream that grows one byte beyond the cap", grows, 999, error="UndecodableValue"),
    stored("a stream that grows a thousandfold", zlib.compress(b"a" * (8 << 20), 9), 1 << 20, error="UndecodableValue"),
]
ABOUT = (
    "written: values stored by a client that compresses from so many bytes on (Python's min_compress_len is one less), and "
    "whether it does; compressed ones have the flag FLAG_ZLIB beside their own and read back as what they were. stream: what a "
    "client that decompresses to at most `cap` bytes makes of a stored text."
)
WHY = "Rust stores bytes and flags as they are given"
write("compression.json", ABOUT, CASES, ["python", "kotlin", "swift"], WHY)
