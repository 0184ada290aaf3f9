"""The labels that a sequence of actions comes to; undone actions count as never done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo_label.actions import RESERVED, Action

NONE = -1  # the code of a picture without a label
UNSURE_CODE, JUNK_CODE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondAnswer:
    """What a second person said of a picture, and what its label was then; codes of names."""

    first: int
    second: int
    person: str


@dataclass(slots=True, kw_only=True)
class Labels:
    """The state after all actions so far, of N pictures."""

    codes: np.ndarray  # int32 (N), the label's place among the names, or NONE
    changed: np.ndarray  # int64 (N), the last action that changed a picture; 0: none
    given: np.ndarray  # int64 (N), the action that gave the present label; 0: none
    names: list[str] = field(default_factory=lambda: list(RESERVED))
    seconds: dict[int, SecondAnswer] = field(default_factory=dict)

    @classmethod
    def empty(cls, count: int) -> Labels:
        """Nothing is named."""
        zeros = np.zeros(count, dtype=np.int64)
        return cls(codes=np.full(count, NONE, dtype=np.int32), changed=zeros, given=zeros.copy())

    def __len__(self) -> int:
        return len(self.codes)

    def grow(self, count: int) -> None:
        """Make room for pictures that came later."""
        if (more := count - len(self)) > 0:
            self.codes = np.concatenate([self.codes, np.full(more, NONE, dtype=np.int32)])
            self.changed, self.given = (np.concatenate([one, np.zeros(more, np.int64)]) for one in self._numbers())

    def _numbers(self) -> tuple[np.ndarray, np.ndarray]:
        return self.changed, self.given

    def code_of(self, name: str) -> int:
        """The name's code; a new name gets the next one."""
        if not name:
            return NONE
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def name_of(self, picture: int) -> str:
        """The label of a picture, empty where there is none."""
        code = int(self.codes[picture])
        return "" if code == NONE else self.names[code]

    def kinds(self) -> dict[str, int]:
        """How many pictures each kind has, the most frequent first; neither unsure nor junk."""
        counts = np.bincount(self.codes[self.codes > JUNK_CODE], minlength=len(self.names))
        found = [(name, int(counts[code])) for code, name in enumerate(self.names) if code > JUNK_CODE and counts[code]]
        return dict(sorted(found, key=lambda one: (-one[1], one[0])))

    def apply(self, action: Action) -> None:
        """Do one action that is not an undo."""
        if action.verb == "label":
            here = np.array([one for one in action.pictures if 0 <= one < len(self)], dtype=np.int64)
            self.codes[here] = self.code_of(action.name)
            self.given[here] = action.number if action.name else 0
            self.changed[here] = action.number
        elif action.verb == "rename":
            old, new = self.code_of(action.old), self.code_of(action.name)
            self.changed[self.codes == old] = action.number
            self.codes[self.codes == old] = new
            self.seconds = {
                picture: SecondAnswer(
                    first=new if one.first == old else one.first,
                    second=new if one.second == old else one.second,
                    person=one.person,
                )
                for picture, one in self.seconds.items()
            }
        elif action.verb == "second":
            code = self.code_of(action.name)
            for picture in action.pictures:
                first = int(self.codes[picture])
                self.seconds[picture] = SecondAnswer(first=first, second=code, person=action.person)
            self.changed[list(action.pictures)] = action.number


def find_cancelled(actions: Sequence[Action]) -> set[int]:
    """The numbers of all actions that are undone; an undo that was undone itself undoes nothing."""
    gone: set[int] = set()
    for action in reversed(actions):
        if action.verb == "undo" and action.number not in gone:
            gone.add(action.target)
    return gone


def replay(actions: Iterable[Action], count: int, *, names: Sequence[str] = RESERVED) -> Labels:
    """The state after actions, in their order, of so many pictures; names that are given keep their codes."""
    actions = list(actions)
    gone, labels = find_cancelled(actions), Labels.empty(count)
    labels.names = list(names)
    for action in actions:
        if action.verb != "undo" and action.number not in gone:
            labels.apply(action)
    return labels


def replay_after_undo(actions: Sequence[Action], before: Labels) -> Labels:
    """As `replay`; pictures that differ from before count as changed by the last action, the undo."""
    labels, number = replay(actions, len(before), names=before.names), actions[-1].number
    labels.changed = np.where((labels.codes != before.codes) | (labels.given != before.given), number, before.changed)
    labels.changed[sorted(labels.seconds.keys() ^ before.seconds.keys())] = number
    return labels
