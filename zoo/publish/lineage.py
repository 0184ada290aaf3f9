"""What filters are made from, and under which licence they may go out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UsageError, ZooError
from zoo.networks import find_backbone
from zoo.publish.licences import LICENCES, Origin, check_licence, check_lineage
from zoo.store import Manifest, RunRecord

_REPO = re.compile(r"hf://([^/@\s]+/[^/@\s]+)")

LookUpLicence = Callable[[str], str | None]  # a repository of the Hub -> what its card says


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestry:
    """Where the weights came from, and what they were trained on."""

    base: str | None  # published filters or a run, by name
    weights: str  # "random", or where they came from
    repo: str | None  # of the Hub, "owner/name", where they came from one
    base_license: str | None
    base_dataset_license: str | None
    dataset: str | None
    dataset_license: str | None
    weights_license: str | None = None  # what the backbone's package says of them


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledLicences:
    """The licences; None where not known."""

    own: str
    base: str | None
    dataset: str | None


def ancestry_of_run(record: RunRecord) -> Ancestry:
    """What run.json says."""
    base = record.base
    repo = _find_repository(record.weights, record.model.backbone)
    return Ancestry(
        base=base.name if base else None,
        weights=record.weights,
        repo=repo,
        base_license=base.license if base else None,
        base_dataset_license=base.dataset_license if base else None,
        dataset=record.dataset.called,
        dataset_license=record.dataset.license,
        weights_license=_find_weights_licence(repo, record.model.backbone),
    )


def ancestry_of_manifest(manifest: Manifest) -> Ancestry:
    """What config.json says."""
    lineage = manifest.lineage
    repo = _find_repository(lineage.weights, manifest.backbone)
    return Ancestry(
        base=lineage.base,
        weights=lineage.weights,
        repo=repo,
        base_license=lineage.base_license,
        base_dataset_license=None,
        dataset=lineage.dataset,
        dataset_license=lineage.dataset_license,
        weights_license=_find_weights_licence(repo, manifest.backbone),
    )


def settle_licences(
    ancestry: Ancestry,
    *,
    license: str | None,
    base_license: str | None = None,
    dataset_license: str | None = None,
    ask: LookUpLicence | None = None,
) -> SettledLicences:
    """Find the licence to publish under, and check that the lineage allows it.

    Args:
        license: the requested one; the base's own where not given.
        base_license, dataset_license: what the publisher knows better.
        ask: reads the licence in a repository's card on the Hub; None: offline, where weights of unknown licence pass.

    Raises:
        UsageError: no licence is known, a word is no licence, or the lineage does not allow it.
    """
    fresh = ancestry.weights == "random" and not ancestry.base_license
    base = check_licence(base_license, argument="base_license") if base_license else ancestry.base_license
    if not base and not fresh and ancestry.repo and ask:
        base = ask(ancestry.repo)
    base = base or ancestry.weights_license
    dataset = ancestry.dataset_license
    if dataset_license:
        dataset = check_licence(dataset_license, argument="dataset_license")
    wanted = license or base
    if not wanted:
        raise UsageError("No licence is known to publish under.", "Say `license='apache-2.0'`, cc-by-4.0 or another.")
    own = check_licence(wanted)
    base_title = (
        f"the base filters {ancestry.base!r}" if ancestry.base else f"the weights {without_folders(ancestry.weights)!r}"
    )
    data_title, base_data_title = f"the pictures of {ancestry.dataset!r}", "the pictures that the base was trained on"
    base_data = ancestry.base_dataset_license
    must = ancestry.base is not None or ask is not None
    check_lineage(
        own,
        base=None if fresh else Origin(what=base_title, license=base, argument="base_license", must_be_known=must),
        dataset=Origin(
            what=data_title, license=dataset, argument="dataset_license", must_be_known=False, is_part=False
        ),
        base_dataset=Origin(what=base_data_title, license=base_data, argument="", must_be_known=False, is_part=False),
    )
    return SettledLicences(own=own, base=base or None, dataset=dataset or None)


def without_folders(weights: str) -> str:
    """The name of a file of weights without the author's folders; other weights as they are called."""
    return Path(weights).name if Path(weights).is_absolute() else weights


def _find_repository(weights: str, backbone: str) -> str | None:
    found = _REPO.match(weights)
    if found is None and "/" not in weights and weights != "random":  # a tag of the backbone's own family
        try:
            factory = find_backbone(backbone)
        except ZooError:
            return None
        found = _REPO.match(factory.factory.weights(factory.name).get(weights, ""))
    return found[1] if found else None


def _find_weights_licence(repo: str | None, backbone: str) -> str | None:
    """What the backbone's package says, in the Hub's words; a licence that the Hub has no word for is `other`."""
    if repo is None:
        return None
    try:
        found = find_backbone(backbone)
    except ZooError:
        return None
    said = found.factory.license(found.name, f"hf://{repo}")
    return (said if said in LICENCES else "other") if said else None
