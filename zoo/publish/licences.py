"""Licences by the Hub's own words, and what one demands of whatever is made from the licensed thing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from zoo.errors import UsageError

_WORDS = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc
    cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0
    cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
    eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c
    ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa
    unlicense zlib pddl lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3
    llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown other
"""
LICENCES = tuple(_WORDS.split())  # what the Hub accepts as `license` in a card

_NON_COMMERCIAL = re.compile(r"cc-by-nc(-.*)?|.*noncommercial.*|(h|intel)-research|apple-amlr|deepfloyd-if-license")
_SHARE_ALIKE = re.compile(
    r"cc-by-(nc-)?sa-.*|(a|l)?gpl(-\d.*)?|lgpl-lr|odbl|cdla-sharing-.*|(osl|eupl|mpl|epl)-.*|gfdl"
)
_NO_DERIVATIVES = re.compile(r"cc-by-(nc-)?nd-.*")
_ATTRIBUTION = re.compile(r"cc-by-.*|odc-by|apache-2.0|mit|isc|bsd.*")
_PUBLIC_DOMAIN = ("cc0-1.0", "unlicense", "pddl", "wtfpl")
_UNKNOWN = ("", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Something that filters are made from."""

    what: str  # for messages, "the base filters 'vgg16-plankton'"
    license: str | None  # None, "" or "unknown": not known
    argument: str  # what corrects it, "base_license"; "" where nothing does
    must_be_known: bool = True
    is_part: bool = True  # of what is published, so that its authors are still to be named


def check_licence(text: str, *, argument: str = "license") -> str:
    """A licence in the Hub's spelling: `Apache-2.0` -> `apache-2.0`.

    Raises:
        UsageError: the Hub knows no such word; the nearest is offered.
    """
    word = text.strip().lower()
    if word in LICENCES:
        return word
    near = get_close_matches(word, LICENCES, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "Take one of the Hub's, such as apache-2.0 or cc-by-4.0, or other."
    raise UsageError(f"`{argument}=` {text!r} is no licence that the Hub knows.", hint)


def is_non_commercial(license: str) -> bool:
    """Whether it forbids commerce."""
    return bool(_NON_COMMERCIAL.fullmatch(license))


def is_share_alike(license: str) -> bool:
    """Whether it demands itself for all that is made from the thing."""
    return bool(_SHARE_ALIKE.fullmatch(license))


def forbids_derivatives(license: str) -> bool:
    """Whether nothing made from the thing may be published."""
    return bool(_NO_DERIVATIVES.fullmatch(license))


def check_lineage(
    license: str, *, base: Origin | None = None, dataset: Origin | None = None, base_dataset: Origin | None = None
) -> None:
    """Refuse a licence that what the filters are made from does not allow.

    Args:
        base: what the weights began as.
        dataset: what they were trained on.
        base_dataset: what the base was trained on.

    Raises:
        UsageError: the licences that forbid it, each with the remedy.
    """
    faults = [fault for one in (base, dataset, base_dataset) if one and (fault := _fault(license, one))]
    if license == "unknown":
        faults.insert(0, "'unknown' is no licence to publish under: say `license='apache-2.0'`, cc-by-4.0 or another")
    if faults:
        raise UsageError(f"These filters cannot be published as {license}: {'; '.join(faults)}.")


def _fault(license: str, origin: Origin) -> str:
    theirs = (origin.license or "").strip().lower()
    if theirs in _UNKNOWN:
        said = f"nobody says under which licence {origin.what} are; find it out and say `{origin.argument}=LICENCE`"
        return said if origin.must_be_known else ""
    if forbids_derivatives(theirs):
        return f"{origin.what} are {theirs}, and nothing made from them may be published"
    if theirs == "other":
        fits, wanted = license == "other", "other"
    elif is_share_alike(theirs):
        fits, wanted = _is_same_or_newer(license, theirs), f"{theirs} again"
    elif is_non_commercial(theirs):
        fits, wanted = is_non_commercial(license), "a licence that forbids commerce too, such as cc-by-nc-4.0"
    elif origin.is_part and _ATTRIBUTION.fullmatch(theirs):
        fits, wanted = license not in _PUBLIC_DOMAIN, f"that its authors stay named, which {license} does not ask"
    else:
        return ""
    if fits:
        return ""
    wrong = f", or `{origin.argument}=` if {theirs} is wrong" if origin.argument else ""
    return f"{origin.what} are {theirs}, which requires {wanted}; say `license=` so{wrong}"


def _is_same_or_newer(license: str, theirs: str) -> bool:
    """`cc-by-sa-4.0` for `cc-by-sa-3.0`; a licence without a version is any of its versions."""
    (name, version), (their_name, their_version) = _versioned(license), _versioned(theirs)
    return name == their_name and (not version or not their_version or version >= their_version)


def _versioned(license: str) -> tuple[str, tuple[int, ...]]:
    found = re.fullmatch(r"(.*?)-(\d+(?:\.\d+)*)", license)
    return (found[1], tuple(int(part) for part in found[2].split("."))) if found else (license, ())
