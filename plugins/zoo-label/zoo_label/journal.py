"""The journal: every action of everybody, in SQLite; it is appended to, and nothing in it is changed or deleted.

An action is acknowledged once it is on the disk: write-ahead logging with `synchronous=FULL` syncs the log at each
commit, so that neither kill -9 nor a power cut loses it (`NORMAL` would survive the first only). Several windows, and
several processes, append to one journal: each action is checked against all before it inside one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import FileError, UsageError
from zoo.files import file_errors, parse_json
from zoo_label.actions import Action
from zoo_label.labels import Labels, find_cancelled, replay_after_undo

FORMAT = "1"
WAIT = 30.0  # seconds for another process's transaction
UNDOABLE = ("label", "rename", "second")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS pictures (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, grouped TEXT) STRICT;
CREATE TABLE IF NOT EXISTS actions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, person TEXT NOT NULL, window TEXT NOT NULL,
  way TEXT NOT NULL, filters TEXT NOT NULL, verb TEXT NOT NULL, name TEXT NOT NULL, old TEXT NOT NULL,
  target INTEGER NOT NULL, pictures TEXT NOT NULL, key TEXT UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS measurements (
  time TEXT NOT NULL, number INTEGER NOT NULL, filters TEXT NOT NULL, content TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS actions_stay BEFORE UPDATE ON actions BEGIN SELECT RAISE(ABORT, 'actions stay'); END;
CREATE TRIGGER IF NOT EXISTS actions_remain BEFORE DELETE ON actions BEGIN SELECT RAISE(ABORT, 'actions stay'); END;
"""
_COLUMNS = ("number", "time", "person", "window", "way", "filters", "verb", "name", "old", "target", "pictures", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of an action."""

    number: int  # in the journal; 0: there was nothing left to do
    left_out: tuple[int, ...] = ()  # pictures that another window had answered meanwhile, which stay as they are


class Journal:
    """The journal of one labelling, and the labels that it comes to.

    Args:
        path: the SQLite file; made where it is missing.

    Raises:
        FileError: it is no journal, of a later version, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._actions: list[Action] = []
        self.labels = Labels.empty(0)
        self.paths: list[str] = []  # by the picture's number
        self.groups: list[str | None] = []
        with file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._base = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
            self._prepare()
        except sqlite3.DatabaseError as error:
            problem = f"it is no journal of labels, or cannot be written ({error})"
            raise FileError(path, problem, "Name another file with `out=`.") from error
        self.sync()

    def _prepare(self) -> None:
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        tables = {name for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "actions" not in tables:
            raise FileError(self.path, "it is another program's database", "Name another file with `out=`.")
        with self._transaction():
            for statement in _statements(_SCHEMA):
                self._base.execute(statement)
            self._base.execute("INSERT OR IGNORE INTO facts VALUES ('format', ?)", (FORMAT,))
        if (found := self.fact("format")) != FORMAT:
            problem = f"it is a journal of the format {found}, and this is for {FORMAT}"
            raise FileError(self.path, problem, "Run `pip install --upgrade zoo-label`.")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One at a time, in this process and among all."""
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            finally:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")

    # -------------------------------------------------------------------------------------------- facts

    def fact(self, name: str) -> str | None:
        """A fact of the labelling, None where it was never noted."""
        with self._lock:
            row = self._base.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        """Note a fact, in place of an earlier one."""
        with self._transaction():
            self._base.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def measure(self, filters: str, content: dict[str, Any]) -> None:
        """Note what was measured of the proposals after the last action."""
        with self._transaction():
            row = (_now(), self.number, filters, json.dumps(content))
            self._base.execute("INSERT INTO measurements VALUES (?, ?, ?, ?)", row)

    def measurements(self) -> list[dict[str, Any]]:
        """All that was measured, in order, with `time`, `number` (of the action before) and `filters`."""
        with self._lock:
            rows = self._base.execute("SELECT time, number, filters, content FROM measurements ORDER BY rowid")
            return [
                {"time": time, "number": number, "filters": filters, **parse_json(content)}
                for time, number, filters, content in rows
            ]

    # -------------------------------------------------------------------------------------------- pictures

    def add_pictures(self, paths: Sequence[str], groups: Sequence[str | None] | None = None) -> list[int]:
        """The numbers of pictures by their paths; new ones get the next numbers, and a group once it is known."""
        with self._transaction():
            rows = list(zip(paths, groups or [None] * len(paths), strict=True))
            self._base.executemany("INSERT OR IGNORE INTO pictures (path, grouped) VALUES (?, ?)", rows)
            known = [(group, path) for path, group in rows if group is not None]
            self._base.executemany("UPDATE pictures SET grouped = ? WHERE path = ?", known)
        self.sync()
        place = {path: number for number, path in enumerate(self.paths)}
        numbers = [place[path] for path in paths]
        for number, (_, group) in zip(numbers, rows, strict=True):
            self.groups[number] = group if group is not None else self.groups[number]
        return numbers

    # -------------------------------------------------------------------------------------------- actions

    @property
    def number(self) -> int:
        """The last action's number, 0 where there is none."""
        return self._actions[-1].number if self._actions else 0

    @property
    def actions(self) -> Sequence[Action]:
        """All actions, in order."""
        return tuple(self._actions)

    def action(self, number: int) -> Action:
        """One action by its number."""
        return self._actions[self._place(number)]

    def _place(self, number: int) -> int:
        """Numbers rise; they have gaps where a transaction was rolled back."""
        place = min(number, len(self._actions)) - 1
        while self._actions[place].number > number:
            place -= 1
        return place

    def sync(self) -> int:
        """Take up what others have written; returns the last action's number."""
        with self._lock:
            more = self._base.execute("SELECT path, grouped FROM pictures WHERE id > ? ORDER BY id", (len(self.paths),))
            for path, group in more.fetchall():
                self.paths.append(path)
                self.groups.append(group)
            self.labels.grow(len(self.paths))
            select = f"SELECT {', '.join(_COLUMNS)} FROM actions WHERE number > ? ORDER BY number"
            for row in self._base.execute(select, (self.number,)).fetchall():
                self._take(_as_action(row))
            return self.number

    def _take(self, action: Action) -> None:
        self._actions.append(action)
        if action.verb == "undo":
            self.labels = replay_after_undo(self._actions, self.labels)
        else:
            self.labels.apply(action)

    def append(self, action: Action, *, seen: int | None = None) -> Receipt:
        """Write an action; when this returns it is on the disk.

        Args:
            action: without number and time. An `undo` without a target takes back the person's last action, one whose
                target is -1 brings back what the person's last undo took.
            seen: the last action that the sender knew of: pictures that another window has changed since are left out,
                so that nobody's answer is overwritten unseen. None: overwrite.

        Raises:
            UsageError: there is nothing to undo; no such pictures.
            FileError: the disk is full, or the file cannot be written.
        """
        try:
            with self._transaction():
                self.sync()
                if known := next(
                    (one for one in reversed(self._actions) if action.key and one.key == action.key), None
                ):
                    return Receipt(number=known.number)
                action, left_out = self._fit(action, seen)
                if action.verb in ("label", "second") and not action.pictures:
                    return Receipt(number=0, left_out=left_out)
                number = self._insert(replace(action, time=_now()))
        except sqlite3.Error as error:
            problem = f"the action cannot be written ({error})"
            raise FileError(self.path, problem, "Make room on the disk, and try again.") from error
        self.sync()
        return Receipt(number=number, left_out=left_out)

    def _fit(self, action: Action, seen: int | None) -> tuple[Action, tuple[int, ...]]:
        """The action as it can be written now, and the pictures that are left out of it."""
        if wrong := [one for one in action.pictures if not 0 <= one < len(self.paths)]:
            raise UsageError(f"There is no picture {wrong[0]}; there are {len(self.paths)}, counted from 0.")
        if action.verb == "undo" and action.target <= 0:
            return replace(action, target=self._find_target(action.person, again=action.target < 0)), ()
        if seen is None or action.verb not in ("label", "second"):
            return action, ()
        left_out = tuple(one for one in action.pictures if self._by_another(one, action.window, seen))
        gone = set(left_out)
        return replace(action, pictures=tuple(one for one in action.pictures if one not in gone)), left_out

    def _by_another(self, picture: int, window: str, seen: int) -> bool:
        number = int(self.labels.changed[picture])
        return number > seen and self.action(number).window != window

    def _find_target(self, person: str, *, again: bool) -> int:
        """What an undo takes back: the person's last action that stands; `again`: the last undo, if none followed."""
        gone = find_cancelled(self._actions)
        verbs = {one.number: one.verb for one in self._actions}
        mine = [one for one in self._actions if one.person == person and one.number not in gone]
        mine = [one for one in mine if one.verb in UNDOABLE or verbs.get(one.target) in UNDOABLE]
        if again:
            if not mine or mine[-1].verb != "undo":
                raise UsageError("There is nothing to do again.")
            return mine[-1].number
        found = [one.number for one in mine if one.verb in UNDOABLE]
        if not found:
            raise UsageError("There is nothing left to undo.")
        return found[-1]

    def _insert(self, action: Action) -> int:
        values = {name: getattr(action, name) for name in _COLUMNS if name != "number"}
        values |= {"pictures": json.dumps(action.pictures, separators=(",", ":")), "key": action.key or None}
        places = ", ".join("?" * len(values))
        statement = f"INSERT INTO actions ({', '.join(values)}) VALUES ({places})"
        return int(self._base.execute(statement, tuple(values.values())).lastrowid or 0)

    def given_by(self, picture: int) -> Action | None:
        """The action that gave a picture its label."""
        number = int(self.labels.given[picture])
        return self.action(number) if number else None

    def ways(self) -> np.ndarray:
        """How each label was given, (N) text, empty where there is none."""
        found = {0: ""} | {one.number: one.way for one in self._actions}
        return np.array([found[number] for number in self.labels.given.tolist()], dtype=object)


def _as_action(row: Sequence[Any]) -> Action:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Action(**{**values, "pictures": tuple(parse_json(values["pictures"])), "key": values["key"] or ""})


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would end the transaction."""
    waiting = ""
    for line in script.splitlines():
        waiting += line + "\n"
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
