"""A reader of pickles that hold plain values, for sessions by Django's own `cache` engine.

Python's own reader calls what a pickle names, makes room for a memo of any size, and takes for ever
over the hash of a tuple that holds itself many times. Here nothing is called, and tuples are lists.
"""

import pickletools
from typing import Any

from hardened_sessions.format.readable import UnreadableError

MOST = 100_000  # opcodes

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
ARGUMENTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}


def loads(value: bytes) -> Any:
    """Return what a pickle says.

    Raises:
        UnreadableError: for an opcode that makes anything but plain values, and too many.
        Exception: of many kinds, for nonsense.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def taken(begin: int) -> list[Any]:
        parts = stack[begin:]
        del stack[begin:]
        return parts

    for number, (opcode, argument, _) in enumerate(pickletools.genops(value)):
        if number > MOST:
            raise UnreadableError("it is a pickle of too many parts")
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "LIST" | "TUPLE":
                stack.append(taken(marks.pop()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                stack.append(taken(-int(name[-1])))
            case "APPEND":
                stack[-2].append(stack.pop())
            case "APPENDS":
                parts = taken(marks.pop())
                stack[-1].extend(parts)
            case "DICT":
                stack.append(paired(taken(marks.pop())))
            case "SETITEM":
                parts = taken(-2)
                stack[-1].update(paired(parts))
            case "SETITEMS":
                parts = taken(marks.pop())
                stack[-1].update(paired(parts))
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[int(str(argument))] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[int(str(argument))])
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case name if name in ARGUMENTS:
                stack.append(argument)
            case name:
                raise UnreadableError(f"it is a pickle with {name}")
    raise UnreadableError("it is a pickle without an end")


def paired(parts: list[Any]) -> dict[Any, Any]:
    """Return keys and values, which take turns, as a dict."""
    return dict(zip(parts[::2], parts[1::2], strict=True))
