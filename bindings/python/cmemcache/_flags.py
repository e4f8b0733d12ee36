"""The client flags of stored values: what the bytes beside them mean. The registry for every language is docs/flags.md."""

from __future__ import annotations

FLAG_BYTES = 0
FLAG_PICKLE = 1
FLAG_INTEGER = 2
FLAG_LONG = 4
FLAG_ZLIB = 8
FLAG_TEXT = 16
FLAG_PORTABLE = 0x18000
FLAG_JAVA = 0x28000
FLAG_LEASE = 0x48000
FLAG_SIGNED = 0x88000
