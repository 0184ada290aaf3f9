"""The rounds of a labelling: with which filters, how many labels, and how good the proposals were by its checks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from zoo.files import parse_json
from zoo_label.actions import Action
from zoo_label.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What was done with the same filters."""

    number: int  # from 1
    filters: str  # what they are called
    manifest: str  # their hash
    began: str  # UTC
    answers: int  # actions that stand or were undone, in this round
    labels: int  # pictures that were labelled at its last check; 0: nothing was checked
    checked: int
    accuracy: float | None  # of the proposals for the rest, at its last check
    low: float | None
    high: float | None
    test: float | None = None  # accuracy on the test pictures of the run that the filters come from


def begin_round(journal: Journal, *, person: str, filters: str, name: str, test: float | None) -> None:
    """Note that filters are used from here on; nothing where the last round has the same ones."""
    before = next((one for one in reversed(journal.actions) if one.verb == "round"), None)
    if before is None or before.filters != filters:
        facts = json.dumps({"test": test})
        journal.append(Action(verb="round", person=person, filters=filters, name=name, old=facts))


def describe_rounds(journal: Journal) -> list[Round]:
    """All rounds, in order."""
    starts = [one for one in journal.actions if one.verb == "round"]
    measured, rounds = journal.measurements(), []
    for place, start in enumerate(starts):
        end = starts[place + 1].number if place + 1 < len(starts) else journal.number + 1
        answers = sum(start.number < one.number < end and one.way != "import" for one in journal.actions)
        mine = [one for one in measured if start.number <= one["number"] < end and one["filters"] == start.filters]
        last: dict[str, Any] = mine[-1] if mine else {}
        rounds.append(
            Round(
                number=place + 1,
                filters=start.name,
                manifest=start.filters,
                began=start.time,
                answers=answers,
                labels=last.get("labels", 0),
                checked=last.get("checked", 0),
                accuracy=last.get("accuracy"),
                low=last.get("low"),
                high=last.get("high"),
                test=parse_json(start.old or "{}").get("test"),
            )
        )
    return rounds
