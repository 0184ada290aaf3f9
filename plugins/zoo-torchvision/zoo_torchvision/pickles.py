"""CIFAR's batches are Python pickles: read here without being unpickled, so that nothing in them can run.

A pickle is a program for a small machine that may call anything. This reader steps through it (`pickletools` takes it
apart and runs nothing), and knows only what data need: dictionaries, lists, tuples, texts, numbers and numpy's arrays
of bytes. Whatever else stands in it is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_KNOWN = {  # what numpy's arrays name, before numpy 2 and since; nothing of it is called
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",
    "numpy ndarray": "kind",
    "numpy dtype": "type",
    "_codecs encode": "encode",  # how Python 3 writes bytes in an old pickle
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_IGNORED = frozenset({"PROTO", "FRAME"})
_MARK = object()


@dataclass(slots=True)
class _Known:
    """A name of `_KNOWN`."""

    what: str


@dataclass(slots=True)
class _Array:
    """An array that is being read: shape, type and content come later."""

    shape: tuple[int, ...] = ()
    type: str = ""
    content: bytes = b""


@dataclass(slots=True)
class _Type:
    """The type of an array's numbers, `u1`."""

    name: str


class RefusedPickleError(ValueError):
    """A pickle that is damaged, or holds more than data."""


def read_pickle(content: bytes) -> Any:
    """The data of a pickle, arrays of bytes as numpy uint8.

    Raises:
        RefusedPickleError: it is none, damaged, or holds anything but data.
    """
    machine = _Machine()
    try:
        for code, argument, _ in pickletools.genops(content):
            if code.name == "STOP":
                return _finished(machine.stack.pop())
            machine.step(code.name, argument)
    except RefusedPickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise RefusedPickleError(f"it is damaged ({error})") from error
    raise RefusedPickleError("it has no end")


class _Machine:
    """The stack and the memory of what is read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def step(self, code: str, argument: Any) -> None:
        """One instruction."""
        if code in _IGNORED:
            return
        if code in _CONSTANTS or code in _VALUES:
            self.stack.append(_CONSTANTS.get(code, argument))
        elif code == "MARK":
            self.stack.append(_MARK)
        elif code in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memory[len(self.memory) if argument is None else int(argument)] = self.stack[-1]
        elif code in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memory[int(argument)])
        elif code in _STEPS:
            _STEPS[code](self, argument)
        else:
            raise RefusedPickleError(f"it holds more than data (the instruction {code})")

    def since_mark(self) -> list[Any]:
        """What was put on the stack since the last mark, taken off with it."""
        place = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken

    def name(self, text: str) -> None:
        if text not in _KNOWN:
            raise RefusedPickleError(f"it names {text.replace(' ', '.')!r:.80}, which is no data")
        self.stack.append(_Known(_KNOWN[text]))

    def name_of_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.name(f"{module} {name}")

    def call(self, _: Any) -> None:
        arguments, known = self.stack.pop(), self.stack.pop()
        what = known.what if isinstance(known, _Known) else ""
        if what == "array":
            self.stack.append(_Array())
        elif what == "type":
            self.stack.append(_Type(_as_text(arguments[0])))
        elif what == "encode":
            self.stack.append(arguments[0].encode("latin-1"))
        else:
            raise RefusedPickleError("it calls what is no array")

    def build(self, _: Any) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, _Array):
            _, made.shape, kind, by_columns, raw = state
            made.type = "by columns" if by_columns else kind.name
            made.content = raw if isinstance(raw, bytes) else raw.encode("latin-1")
        elif not isinstance(made, _Type):
            raise RefusedPickleError("it sets what is no array")

    def append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise RefusedPickleError("it appends to what is no list")
        self.stack[-1].extend(items)

    def set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise RefusedPickleError("it sets items of what is no dictionary")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def tuple_of(self, count: int) -> None:
        taken = self.stack[-count:]
        del self.stack[-count:]
        self.stack.append(tuple(taken))

    def set_one(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set([key, value])

    def dictionary(self, _: Any) -> None:
        items = self.since_mark()
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)))


_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "GLOBAL": lambda machine, argument: machine.name(argument),
    "STACK_GLOBAL": _Machine.name_of_stack,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "DICT": _Machine.dictionary,
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "SETITEM": _Machine.set_one,
    "SETITEMS": lambda machine, _: machine.set(machine.since_mark()),
}


def _as_text(said: Any) -> str:
    return said.decode("latin-1") if isinstance(said, bytes) else str(said)


def _finished(value: Any) -> Any:
    """Arrays made, keys as text; what is nested in lists is left alone, as nothing of CIFAR's is."""
    if isinstance(value, _Array):
        if value.type not in ("u1", "|u1", "uint8"):
            raise RefusedPickleError(f"an array in it is of type {value.type!r:.20}, not bytes by rows")
        return np.frombuffer(value.content, dtype=np.uint8).reshape(value.shape)
    if isinstance(value, dict):
        return {_as_text(key): _finished(one) for key, one in value.items()}
    return value
