"""What the page is told, as JSON takes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from zoo.errors import UsageError, one_line
from zoo_label.actions import JUNK, UNSURE
from zoo_label.rounds import describe_rounds
from zoo_label.session import Labelling


def describe_start(labelling: Labelling) -> dict[str, Any]:
    """What a window needs once."""
    labelling.journal.sync()
    return {
        "pictures": len(labelling.ready),
        "person": one_line(labelling.person),
        "folder": one_line(labelling.pictures.root.name),
        "filters": one_line(labelling.filters_name),
        "skipped": len(labelling.pictures.skipped),
        "unsure": UNSURE,
        "junk": JUNK,
        **_state(labelling),
    }


def describe_changes(labelling: Labelling, *, seen: int) -> dict[str, Any]:
    """What has changed since an action: numbers and codes of pictures, and all that is small."""
    number = labelling.journal.sync()
    labels = labelling.journal.labels
    changed = np.flatnonzero(labels.changed[: len(labelling.ready)] > seen)
    return {
        "changed": changed.tolist() if seen < number else [],
        "codes": labels.codes[changed].tolist() if seen < number else [],
        **_state(labelling),
    }


def _state(labelling: Labelling) -> dict[str, Any]:
    labels, embedding, estimate = labelling.journal.labels, labelling.embedding, labelling.estimate
    return {
        "seen": labelling.journal.number,
        "names": labels.names,
        "kinds": labels.kinds(),
        "counts": labelling.counts(),
        "fits": labelling.fits,
        "embedding": {
            "done": embedding.done,
            "total": embedding.total,
            "skipped": len(embedding.skipped),
            "fault": embedding.fault,
            "complete": labelling.complete,
        },
        "estimate": asdict(estimate) if estimate else None,
        "seconds": len(labels.seconds),
    }


def describe_picture(labelling: Labelling, number: int) -> dict[str, Any]:
    """What is known of one picture. Raises UsageError: there is none."""
    journal = labelling.journal
    if not 0 <= number < len(labelling.ready):
        raise UsageError(f"There is no picture {number}; there are {len(labelling.ready)}, counted from 0.")
    action = journal.given_by(number)
    return {
        "path": journal.paths[number],
        "group": journal.groups[number] or "",
        "label": journal.labels.name_of(number),
        "who": action.person if action else "",
        "when": action.time[:19].replace("T", " ") if action else "",
        "way": action.way if action else "",
    }


def describe_report(labelling: Labelling) -> dict[str, Any]:
    """Kinds, agreement and rounds."""
    agreement = labelling.agreement()
    found = asdict(agreement) if agreement else None
    if found and not np.isfinite(found["kappa"]):
        found |= {"kappa": None, "low": None, "high": None}
    return {
        "counts": labelling.counts(),
        "kinds": labelling.journal.labels.kinds(),
        "agreement": found,
        "rounds": [asdict(one) for one in describe_rounds(labelling.journal)],
        "skipped": [*labelling.pictures.skipped, *labelling.embedding.skipped][:20],
    }
