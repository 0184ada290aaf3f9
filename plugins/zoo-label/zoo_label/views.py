"""What the page shows: sections of pictures, each with a title, and what is believed of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo_label.labels import JUNK_CODE
from zoo_label.queues import most_doubtful, most_novel, most_similar, suspicious_labels
from zoo_label.session import Labelling

QUEUE = 200  # pictures of a queue
CHECKS = 24  # pictures to check at once
ROW = 60  # pictures of a row of proposals
GROWN = 1.5  # times as many pictures are embedded: time to cluster anew
SURE = 0.5  # proposals below are not offered in rows
VIEWS = ("clusters", "believed", "review", "new", "check", "similar", "search", "kinds", "second", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Pictures under one title; a row can be named whole."""

    title: str
    pictures: list[int]
    key: int = -1  # of a cluster that can be split
    suggest: str = ""  # what most of it is believed to be
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def make_view(labelling: Labelling, name: str, *, picture: int = -1, query: str = "") -> list[dict[str, Any]]:
    """The sections of a view, as JSON takes them.

    Args:
        labelling: what is labelled.
        name: of `VIEWS`.
        picture: that the view `similar` starts from.
        query: of the view `search`.

    Raises:
        UsageError: no such view, or no such picture.
    """
    if name not in VIEWS:
        raise UsageError(f"There is no view {name!r}.", f"There is {', '.join(VIEWS)}.")
    labelling.journal.sync()
    with labelling.lock:
        if name == "similar":
            sections = _similar(labelling, picture)
        elif name == "search":
            sections = _search(labelling, query)
        else:
            makers = {
                "clusters": _clusters,
                "believed": _believed,
                "review": _review,
                "new": _new,
                "check": _check,
                "kinds": _kinds,
                "second": _second,
                "all": _all,
            }
            sections = makers[name](labelling)
    return [asdict(one) for one in sections if one.pictures]


def _clusters(labelling: Labelling) -> list[Section]:
    """Rows of what is unlabelled, the purest first; by the head, once there is one, else by their compactness."""
    if not labelling.clusters or labelling.ready.sum() > GROWN * labelling.clustered:
        labelling.cluster_again()
    codes, beliefs, names, found = labelling.codes, labelling.beliefs, labelling.journal.labels.names, []
    for cluster in labelling.clusters:
        left = cluster.pictures[(codes[cluster.pictures] < 0) & labelling.present[cluster.pictures]]
        if not len(left):
            continue
        suggest, purity, note = "", cluster.purity, f"compactness {cluster.purity:.2f}"
        believed = beliefs.codes[left]
        if labelling.head is not None and (believed >= 0).any():
            kinds, counts = np.unique(believed[believed >= 0], return_counts=True)
            kind, share = int(kinds[counts.argmax()]), float(counts.max() / len(left))
            sure = float(beliefs.confidence[left][believed == kind].mean())
            suggest, purity = names[kind], 1 + share * sure
            note = f"{share:.0%} believed {suggest}, {sure:.0%} sure"
        found.append((purity, Section(title="", pictures=left.tolist(), key=cluster.key, suggest=suggest, note=note)))
    order = sorted(range(len(found)), key=lambda place: -found[place][0])
    return [found[place][1] for place in order]


def _believed(labelling: Labelling) -> list[Section]:
    """Proposals by kind, in rows, the surest first."""
    beliefs, rest, names = labelling.beliefs, labelling.rest, labelling.journal.labels.names
    rest = rest[(beliefs.codes[rest] >= 0) & (beliefs.confidence[rest] >= SURE)]
    rest = rest[np.argsort(-beliefs.confidence[rest], kind="stable")]
    found = []
    for kind in np.unique(beliefs.codes[rest]).tolist():
        mine = rest[beliefs.codes[rest] == kind]
        for start in range(0, len(mine), ROW):
            row = mine[start : start + ROW]
            sure = float(beliefs.confidence[row].mean())
            note = f"{sure:.0%} sure"
            found.append((sure, Section(title=names[kind], pictures=row.tolist(), suggest=names[kind], note=note)))
    return [section for _, section in sorted(found, key=lambda one: -one[0])]


def _review(labelling: Labelling) -> list[Section]:
    wrong = suspicious_labels(labelling.head, labelling.codes, QUEUE)
    doubtful, disagree = most_doubtful(labelling.features, labelling.beliefs, labelling.codes, labelling.rest, QUEUE)
    note = f"of these, the neighbours of {int((disagree > 0.5).sum())} say otherwise"
    return [
        Section(title="Doubtful proposals", pictures=doubtful.tolist(), note=note),
        Section(title="Labels that the model doubts", pictures=wrong[labelling.present[wrong]].tolist()),
    ]


def _new(labelling: Labelling) -> list[Section]:
    rest = labelling.rest
    found = most_novel(labelling.features, labelling.codes, rest[labelling.ready[rest]], QUEUE)
    return [Section(title="Unlike everything named", pictures=found.tolist())]


def _check(labelling: Labelling) -> list[Section]:
    found = labelling.to_check(CHECKS)
    note = "drawn at random; name each, without being told what is believed"
    return [Section(title="To check", pictures=found.tolist(), note=note)]


def _similar(labelling: Labelling, picture: int) -> list[Section]:
    if not 0 <= picture < len(labelling.ready) or not labelling.ready[picture]:
        raise UsageError(f"Picture {picture} is not embedded.", "Wait until it is.")
    ready = labelling.ready & labelling.present
    found = most_similar(labelling.features, ready, picture, QUEUE)
    return [Section(title="More like this", pictures=[picture, *found.tolist()])]


def _search(labelling: Labelling, query: str) -> list[Section]:
    """Kinds by name, proposals by name, and pictures by their paths."""
    wanted, labels = query.strip().casefold(), labelling.journal.labels
    if not wanted:
        return []
    kinds = [code for code, name in enumerate(labels.names) if wanted in name.casefold()]
    codes, beliefs = labelling.codes, labelling.beliefs
    labelled = np.flatnonzero(np.isin(codes, kinds) & labelling.present)
    believed = np.flatnonzero(np.isin(beliefs.codes, kinds) & (codes < 0) & labelling.present)
    believed = believed[np.argsort(-beliefs.confidence[believed], kind="stable")]
    paths = [n for n, path in enumerate(labelling.journal.paths[: len(codes)]) if wanted in path.casefold()]
    return [
        Section(title=f"Believed {query.strip()}", pictures=believed.tolist()),
        Section(title=f"Named {query.strip()}", pictures=labelled.tolist()),
        Section(title="By path", pictures=[n for n in paths if labelling.present[n]]),
    ]


def _kinds(labelling: Labelling) -> list[Section]:
    """All labelled pictures by kind; unsure and junk at the end."""
    labels, codes = labelling.journal.labels, labelling.codes
    order = [labels.names.index(name) for name in labels.kinds()] + [0, JUNK_CODE]
    return [
        Section(
            title=labels.names[code],
            pictures=np.flatnonzero((codes == code) & labelling.present).tolist(),
            extra={"kind": labels.names[code]},
        )
        for code in order
    ]


def _second(labelling: Labelling) -> list[Section]:
    """Labels of others that this person has not answered yet, in random order; then where the two disagree."""
    journal, seconds = labelling.journal, labelling.journal.labels.seconds
    waiting = [
        int(number)
        for number in labelling.order
        if labelling.present[number]
        and int(number) not in seconds
        and (action := journal.given_by(int(number))) is not None
        and action.person != labelling.person
    ]
    differ = [number for number, one in seconds.items() if one.first != one.second and labelling.present[number]]
    names = journal.labels.names
    said = {number: f"{names[seconds[number].first]} / {names[seconds[number].second]}" for number in differ}
    return [
        Section(title="To answer a second time", pictures=waiting[:QUEUE], note="what was said first is not shown"),
        Section(title="Where two disagree", pictures=differ, note="name to settle", extra={"said": said}),
    ]


def _all(labelling: Labelling) -> list[Section]:
    return [Section(title="All pictures", pictures=labelling.numbers[labelling.present[labelling.numbers]].tolist())]
