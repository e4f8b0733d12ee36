"""Exchanges in the packed layout of core/src/ffi/packed.rs: what a wrapper has to send, and what it has to read."""

import struct

from vectors import write

ABOUT = (
    "Exchanges in version 2 of the packed layout. A wrapper that is asked for `operation` with these arguments has to send "
    "`request`, or for a batch `request_with_lengths` if it measures its keys, and `payload` (hex; payload: the call's second "
    "piece of memory), and to make `expect` of `reply` (hex). "
    "64-bit numbers are strings, keys and values are text, exptime is in seconds, timeout in milliseconds. malformed: the "
    "reply is none, and the wrapper has to say so instead of reading past its end."
)
OPERATIONS = {
    "get": 1,
    "gets": 2,
    "gat": 3,
    "gats": 4,
    "set": 5,
    "add": 6,
    "replace": 7,
    "append": 8,
    "prepend": 9,
    "cas": 10,
    "delete": 11,
    "incr": 12,
    "decr": 13,
    "touch": 14,
    "get_multi": 16,
    "gets_multi": 17,
    "set_multi": 18,
    "delete_multi": 19,
}
SERVER = "10.0.0.1:11211"
DOWN = "cannot connect to 10.0.0.1:11211: refused"
CASES = []


def head(status=0, bits=0, phase=0, flags=0, number=0):
    return struct.pack("<BBHIQ", status, bits, phase, flags, number)


def failure(status, message, server="", phase=0, bits=0):
    return head(status, bits, phase, len(server)) + (server + message).encode()


def case(name, operation, arguments, fields, reply, expect, bits=0, payload=b"", keys=None):
    """One exchange. `keys`: those of a batch, which stand behind its fields."""

    def request(bits, fields):
        return (struct.pack("<BBHI", 2, OPERATIONS[operation], bits, arguments.get("timeout", 0)) + fields).hex()

    if keys is None:
        requests = {"request": request(bits, fields)}
    else:
        keys = [key.encode() for key in keys]
        lengths = struct.pack(f"<{len(keys)}I", *map(len, keys))
        requests = {
            "request": request(bits, fields + b"\n".join(keys)),
            "request_with_lengths": request(bits | 4, fields + lengths + b"".join(keys)),
        }
    CASES.append(
        {
            "name": name,
            "operation": operation,
            **arguments,
            **requests,
            "payload": payload.hex(),
            "reply": reply.hex(),
            "expect": expect,
        }
    )


def item(value, flags=0, cas=None):
    return {"item": {"value": value, "flags": flags} | ({} if cas is None else {"cas": str(cas)})}


def error(kind, message, server=None, phase=None, outcome_unknown=False):
    return {
        "error": {
            "kind": kind,
            "message": message,
            "server": server,
            "phase": phase,
            "outcome_unknown": outcome_unknown,
        }
    }


def reads():
    key = {"key": "key"}
    case("a hit", "get", key, b"key", head(flags=16) + b"value", item("value", 16))
    case("an empty value", "get", key, b"key", head(), item(""))
    case("a miss", "get", key, b"key", head(1), {"miss": True})
    case(
        "all flags and a timeout of its own",
        "get",
        {"key": "ü", "timeout": 1500},
        "ü".encode(),
        head(flags=2**32 - 1) + b"v",
        item("v", 2**32 - 1),
    )
    case("a cas token", "gets", key, b"key", head(number=2**64 - 1) + b"v", item("v", 0, 2**64 - 1))
    case(
        "get and touch", "gat", {"key": "key", "exptime": 60}, struct.pack("<q", 60) + b"key", head() + b"v", item("v")
    )
    case(
        "gets and touch",
        "gats",
        {"key": "key", "exptime": -1},
        struct.pack("<q", -1) + b"key",
        head(number=7) + b"v",
        item("v", 0, 7),
    )
    case("a server down", "get", key, b"key", failure(70, DOWN, SERVER, 2), error(70, DOWN, SERVER, "connect"))
    case(
        "a timeout after sending",
        "get",
        key,
        b"key",
        failure(71, "timed out", SERVER, 6, 2),
        error(71, "timed out", SERVER, "read", True),
    )
    case(
        "an error without server and phase",
        "get",
        {"key": ""},
        b"",
        failure(65, "key is empty"),
        error(65, "key is empty"),
    )
    case("a kind that is not known yet", "get", key, b"key", failure(99, "new"), error(99, "new"))
    case("a reply of 15 bytes", "get", key, b"key", head()[:15], {"malformed": True})
    case("no reply at all", "get", key, b"key", b"", {"malformed": True})


def stores():
    arguments = {"key": "key", "value": "value", "flags": 16, "exptime": 60}
    fields = struct.pack("<Iq", 16, 60) + b"key"
    outcomes = {"set": (0, "stored"), "add": (2, "not_stored"), "replace": (2, "not_stored")}
    for operation, (status, outcome) in outcomes.items():
        case(operation, operation, arguments, fields, head(status), {"outcome": outcome}, payload=b"value")
    for operation in ("append", "prepend"):
        case(operation, operation, {"key": "key", "value": "+"}, b"key", head(), {"outcome": "stored"}, payload=b"+")
    arguments = {**arguments, "cas": str(2**63)}
    fields = struct.pack("<IqQ", 16, 60, 2**63) + b"key"
    for status, outcome in ((0, "stored"), (3, "exists"), (1, "not_found")):
        case(f"cas: {outcome}", "cas", arguments, fields, head(status), {"outcome": outcome}, payload=b"value")
    case(
        "a store with a status that is none",
        "append",
        {"key": "key", "value": "+"},
        b"key",
        head(9),
        {"malformed": True},
        payload=b"+",
    )


def others():
    for status, done in ((0, True), (1, False)):
        case(f"delete: {done}", "delete", {"key": "key"}, b"key", head(status), {"done": done})
        case(
            f"touch: {done}",
            "touch",
            {"key": "key", "exptime": 0},
            struct.pack("<q", 0) + b"key",
            head(status),
            {"done": done},
        )
    arguments = {"key": "n", "delta": str(2**64 - 1), "exptime": 0}
    fields = struct.pack("<QQq", 2**64 - 1, 0, 0) + b"n"
    case("incr", "incr", arguments, fields, head(number=2**64 - 2), {"number": str(2**64 - 2)})
    case("incr: a miss", "incr", arguments, fields, head(1), {"miss": True})
    arguments = {"key": "n", "delta": "1", "initial": "40", "exptime": 9}
    case(
        "decr with an initial value",
        "decr",
        arguments,
        struct.pack("<QQq", 1, 40, 9) + b"n",
        head(number=40),
        {"number": "40"},
        bits=2,
    )
    case(
        "incr of a word",
        "incr",
        {"key": "n", "delta": "1", "exptime": 0},
        struct.pack("<QQq", 1, 0, 0) + b"n",
        failure(77, "no number", SERVER),
        error(77, "no number", SERVER),
    )


def columns(entries, with_cas=False):
    """The reply to a batch; an entry is (status, flags, cas, value)."""
    count = len(entries)
    payload = bytes(entry[0] for entry in entries) + struct.pack(f"<{count}I", *(entry[1] for entry in entries))
    if with_cas:
        payload += struct.pack(f"<{count}Q", *(entry[2] for entry in entries))
    payload += struct.pack(f"<{count}I", *(len(entry[3]) for entry in entries))
    return head(flags=count) + payload + b"".join(entry[3] for entry in entries)


def failed(status, message, server="", phase=0, outcome_unknown=False):
    """The entry of a key that failed."""
    return (status, len(server) | phase << 16 | outcome_unknown << 24, 0, (server + message).encode())


def batches():
    def many(name, operation, keys, reply, expect):
        case(name, operation, {"keys": keys}, struct.pack("<I", len(keys)), reply, expect, keys=keys)

    keys = ["a", "bb", "ü", "d", "e"]
    entries = [
        (0, 16, 5, b"one"),
        (1, 0, 0, b""),
        (0, 2**31, 2**64 - 1, b""),
        failed(70, DOWN, SERVER, 2),
        failed(71, "timed out", SERVER, 6, True),
    ]
    failures = [error(70, DOWN, SERVER, "connect"), error(71, "timed out", SERVER, "read", True)]
    expect = [item("one", 16), {"miss": True}, item("", 2**31), *failures]
    many("a batch", "get_multi", keys, columns(entries), {"entries": expect})
    expect = [item("one", 16, 5), {"miss": True}, item("", 2**31, 2**64 - 1), *failures]
    many("a batch with cas tokens", "gets_multi", keys, columns(entries, True), {"entries": expect})
    many("an empty batch", "get_multi", [], head(), {"entries": []})
    many("a batch of one key", "get_multi", ["key"], columns([(0, 1, 0, b"v")]), {"entries": [item("v", 1)]})
    many("a batch that fails as a whole", "get_multi", keys, failure(68, "no servers"), error(68, "no servers"))
    many("a batch with a value cut off", "get_multi", keys, columns(entries)[:-1], {"malformed": True})
    many("a batch with a column cut off", "get_multi", keys, columns(entries)[: 16 + 20], {"malformed": True})
    many("a batch with an entry too few", "get_multi", keys, columns(entries[:-1]), {"malformed": True})
    arguments = {
        "entries": [{"key": "a", "value": "v", "flags": 0}, {"key": "bb", "value": "", "flags": 16}],
        "exptime": 60,
    }
    fields = struct.pack("<IqIIII", 2, 60, 1, 0, 0, 16)
    expect = {"entries": [{"outcome": "stored"}, error(67, "too large", SERVER)]}
    reply = columns([(0, 0, 0, b""), failed(67, "too large", SERVER)])
    case("a batch of stores", "set_multi", arguments, fields, reply, expect, payload=b"v", keys=["a", "bb"])
    reply = columns([(0, 0, 0, b""), (1, 0, 0, b"")])
    many("a batch of deletes", "delete_multi", ["a", "bb"], reply, {"entries": [{"done": True}, {"done": False}]})


reads()
stores()
others()
batches()
write("packed.json", ABOUT, CASES)
