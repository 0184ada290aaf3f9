"""What a person does, one action at a time, and what an action may say."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

from zoo.errors import UNSAFE, UsageError

UNSURE = "(unsure)"  # looked at, and nobody can say
JUNK = "(junk)"  # no picture of anything that is to be named
RESERVED = (UNSURE, JUNK)
LONGEST_NAME = 100  # letters
MISSING = {"na", "nan"}  # cells that a table of labels takes for empty

Verb = Literal["label", "second", "rename", "undo", "round"]
Way = Literal["one", "row", "selection", "search", "review", "new", "check", "second", "kind", "import"]
WAYS: tuple[Way, ...] = ("one", "row", "selection", "search", "review", "new", "check", "second", "kind", "import")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action as the journal keeps it.

    `label` names pictures (`(unsure)` and `(junk)` are answers too, an empty name takes a label away); `second` is a
    second person's answer beside the first one's; `rename` gives all pictures of a kind another name, which merges two
    where that name is there; `undo` takes back the action `target`, which may be an undo itself; `round` says that
    other filters are used from here on.
    """

    verb: Verb
    person: str
    window: str = ""  # of the browser, or of the process
    way: Way = "one"
    filters: str = ""  # the hash of the manifest
    pictures: tuple[int, ...] = ()
    name: str = ""  # the kind; of a round what the filters are called
    old: str = ""  # of `rename`
    target: int = 0  # of `undo`
    key: str = ""  # of the sender: the same action sent twice is one
    number: int = 0  # in the journal, from 1; 0: not written yet
    time: str = ""  # UTC


def check_name(name: str) -> str:
    """A kind's name as it is kept: one line, composed letters, no spaces around it.

    Raises:
        UsageError: it is empty or too long, holds control characters, or would mean something else in a table.
    """
    said = unicodedata.normalize("NFC", name).strip()
    problem = ""
    if not said:
        problem = "A kind needs a name."
    elif len(said) > LONGEST_NAME:
        problem = f"{said[:20]}…: a kind's name has at most {LONGEST_NAME} letters."
    elif UNSAFE.search(said) or "\n" in said or "\t" in said:
        problem = f"{said!r}: a kind's name has no control characters."
    elif said.startswith("(") and said not in RESERVED:
        problem = f"{said!r}: names in brackets are our own, {UNSURE} and {JUNK}."
    elif said.casefold() in MISSING:
        problem = f"{said!r} means an empty cell in a table."
    elif said.startswith(("=", "+", "-", "@", "'")):
        problem = f"{said!r}: a spreadsheet would take that for a formula."
    if problem:
        raise UsageError(problem, "Give another name.")
    return said
