"""Writes ../keys.json: which keys may be sent. `python keys.py`."""

from base64 import b64encode

from vectors import write

TOO_LONG, CHARACTER = "KeyTooLong", "KeyCharacter"


def case(name, key, error=None, **options):
    return {"name": name, "key": key, **options} | ({} if error is None else {"error": error})


def raw(data):
    return {"base64": b64encode(data).decode()}


def repeated(text, times):
    return {"repeat": text, "times": times}


def illegal_bytes():
    for byte in (*range(0x21), 0x7F):
        yield case(f"byte 0x{byte:02x} in the middle", f"a{chr(byte)}b", CHARACTER)
    for name, text in (("line feed", "\n"), ("CR LF", "\r\n"), ("space", " "), ("NUL", "\0"), ("DEL", "\x7f")):
        yield case(f"{name} at the end", f"abc{text}", CHARACTER)
        yield case(f"{name} at the beginning", f"{text}abc", CHARACTER)
        yield case(f"{name} alone", text, CHARACTER)
    yield case("a command behind the key", "k 0 0 1\r\nx\r\ndelete other", CHARACTER)


CASES = [
    case("one byte", "k"),
    case("250 bytes", repeated("k", 250)),
    case("251 bytes", repeated("k", 251), TOO_LONG),
    case("a megabyte", repeated("k", 1 << 20), TOO_LONG),
    case("empty", "", CHARACTER),
    case("every printable character of ASCII", "".join(map(chr, range(0x21, 0x7F)))),
    case("text beyond ASCII", "schlüssel:鍵:🔑"),
    case("125 characters of two bytes", repeated("ü", 125)),
    case("126 characters of two bytes", repeated("ü", 126), TOO_LONG),
    case("every byte from 0x80 on", raw(bytes(range(0x80, 0x100)))),
    case("what looks like an option of the meta protocol", "v"),
    case("what looks like a command", "END"),
    *illegal_bytes(),
    case("240 bytes behind a prefix of 10", repeated("k", 240), prefix="p" * 10),
    case("241 bytes behind a prefix of 10", repeated("k", 241), TOO_LONG, prefix="p" * 10),
    case("empty behind a prefix, which is then the key", "", prefix="p"),
    case("a space behind a prefix", "a b", CHARACTER, prefix="p"),
    case("binary: every byte below 0x80", raw(bytes(range(0x80))), binary=True),
    case("binary: every byte from 0x80 on", raw(bytes(range(0x80, 0x100))), binary=True),
    case("binary: 186 bytes", repeated("\0", 186), binary=True),
    case("binary: 187 bytes", repeated("\0", 187), TOO_LONG, binary=True),
    case("binary: 186 bytes with the prefix", repeated("\n", 176), binary=True, prefix=" " * 10),
    case("binary: 187 bytes with the prefix", repeated("\n", 177), TOO_LONG, binary=True, prefix=" " * 10),
    case("binary: empty", "", CHARACTER, binary=True),
]
ABOUT = (
    "Keys (a string, which is UTF-8, {base64}, or {repeat, times}), of clients with this key_prefix, or with binary_keys: a "
    "value can be stored and read under a legal one, and any operation on the others ends with this error."
)
write("keys.json", ABOUT, CASES)
