"""What `zoo info` says of a repository of the Hub, beside the manifest or in place of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.cli.console import fields_of, format_size, print_facts, print_json, say
from zoo.errors import FetchError, IntegrityError, MissingFileError, UsageError, ZooError
from zoo.store import NAME_PATTERN

if TYPE_CHECKING:
    from zoo.hub import HubModel, HubRefs
    from zoo.store import Source

MOST_FILES = 8  # whose headers are read for their parameter counts
MOST_NAMES = 12  # of files, tags and revisions that are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAnswer:
    """What the Hub said of a repository at one commit."""

    source: Source
    commit: str
    model: HubModel
    refs: HubRefs


def ask_hub(source: Source) -> HubAnswer | None:
    """What the Hub says of a source; None for other sources and offline.

    Raises:
        FetchError: it could not be reached.
    """
    from zoo.hub import fetch_model_info, list_refs

    if source.is_offline():
        return None
    source = source.pinned()
    place = source.repository
    if place is None:
        return None
    model = fetch_model_info(place.name, place.revision, token=place.token)
    refs = list_refs(place.name, token=place.token)
    return HubAnswer(source=source, commit=place.revision, model=model, refs=refs)


def ask_or_say(source: Source) -> HubAnswer | None:
    """As `ask_hub`; where the Hub cannot be reached a line on stderr says so."""
    try:
        return ask_hub(source)
    except FetchError as error:
        say(f"Only what is on this disk is shown. {error}")
        return None


def find_other_repository(
    text: str, *, revision: str | None, token: str | None, cache_dir: str | None
) -> HubAnswer | None:
    """What the Hub says of a repository that holds no filters of ours; None where it is something else."""
    from zoo.store import MANIFEST_FILE, MANIFEST_LIMIT, is_zoo_manifest, parse_source

    if NAME_PATTERN.fullmatch(text):
        return None
    try:
        answer = ask_hub(parse_source(text, revision=revision, token=token, cache_dir=cache_dir))
    except (UsageError, FetchError):
        return None
    if answer is None:
        return None
    try:
        ours = is_zoo_manifest(answer.source.read(MANIFEST_FILE, limit=MANIFEST_LIMIT))
    except (MissingFileError, IntegrityError):  # no such file, or one too large for a manifest
        ours = False
    except ZooError:
        return None
    return None if ours else answer


def hub_lines(answer: HubAnswer) -> list[tuple[str, str]]:
    """Facts for people."""
    model, refs = answer.model, answer.refs
    access = "private" if model.private else "public"
    dtypes = f" ({', '.join(model.dtypes)})" if model.dtypes else ""
    lines = [
        ("commit", answer.commit),
        ("last change", model.updated.replace("T", " ")[:16]),
        ("downloads", "" if model.downloads is None else f"{model.downloads:,} in the last month"),
        ("likes", "" if model.likes is None else f"{model.likes:,}"),
        ("access", f"{access}, asked for ({model.gated})" if model.gated else access),
        ("all files", "" if model.size is None else f"{len(model.files)}, {format_size(model.size)}"),
        ("task", model.task),
        ("parameters", "" if model.parameters is None else f"{model.parameters:,}{dtypes}"),
        ("branches", _listed(refs.branches)),
        ("tags", _listed(refs.tags)),
    ]
    return [(title, text) for title, text in lines if text]


def hub_facts(answer: HubAnswer) -> dict[str, Any]:
    """Facts for programs."""
    model = answer.model
    return {
        "repo": model.repo,
        "commit": answer.commit,
        **fields_of(model, "updated", "created", "downloads", "likes", "private"),
        **{name: getattr(model, name) or None for name in ("gated", "license", "base_model", "library", "task")},
        "datasets": list(model.datasets),
        "tags": list(model.tags),
        "files": dict(model.files),
        "bytes": model.size,
        "parameters": model.parameters,
        "dtypes": dict(model.dtypes),
        "branches": dict(answer.refs.branches),
        "revisions": dict(answer.refs.tags),
    }


def show_other_repository(answer: HubAnswer, *, as_json: bool) -> None:
    """Print what is known of a repository without filters, and how it may be used all the same."""
    model, weights = answer.model, _weights(answer)
    if as_json:
        print_json({"source": answer.source.text, "manifest": None, "hub": hub_facts(answer), "weights": weights})
        return
    lines = [
        ("repository", model.repo),
        ("licence", model.license or "-"),
        ("library", model.library),
        ("base model", model.base_model),
        ("datasets", ", ".join(model.datasets[:MOST_NAMES])),
        ("labels", _listed(model.tags)),
        *hub_lines(answer),
        *((name, _weights_text(model.files.get(name), count)) for name, count in weights.items()),
    ]
    print_facts([(title, text) for title, text in lines if text])
    say(f"{model.repo} holds no filters published by zoo.")
    if weights:
        say(f"To start from it: zoo train … --backbone NAME --weights hf://{model.repo}")
    else:
        say("It has no safetensors file to start from either. Run `zoo search` for filters.")


def _weights(answer: HubAnswer) -> dict[str, int | None]:
    """How many parameters each safetensors file has: what the Hub knows, else what its header says."""
    from math import prod

    from zoo.store import read_header

    names = [name for name in answer.model.files if name.endswith(".safetensors")]
    if len(names) == 1 and answer.model.parameters is not None:
        return {names[0]: answer.model.parameters}
    counts: dict[str, int | None] = dict.fromkeys(names)
    for name in names[:MOST_FILES]:
        try:
            tensors = read_header(answer.source, name, size=answer.model.files[name]).tensors
        except ZooError as error:
            say(f"{name}: {error}")
            continue
        counts[name] = sum(prod(one.shape) for one in tensors.values())
    return counts


def _weights_text(size: int | None, count: int | None) -> str:
    parts = ["" if count is None else f"{count:,} parameters", "" if size is None else format_size(size)]
    return ", ".join(part for part in parts if part) or "-"


def _listed(names: Sequence[str] | Mapping[str, str]) -> str:
    texts = list(names)
    return ", ".join(texts[:MOST_NAMES]) + (f", and {len(texts) - MOST_NAMES} more" if len(texts) > MOST_NAMES else "")
