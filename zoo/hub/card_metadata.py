"""The metadata on top of a card, by the client's own classes: what the Hub reads is what they write."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError
from zoo.hub.client import client_utils, endpoint, with_retries
from zoo.hub.repositories import RemoteRepository
from zoo.hub.session import open_session

ZOO_METADATA_KEY = "zoo"  # the key of our own facts


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """One metric's value of a head on a split."""

    task: str  # of the Hub's tasks, "image-classification"
    head: str
    dataset: str
    split: str
    metric: str  # "accuracy"
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CardMetadata:
    """The metadata of published filters for the Hub."""

    name: str
    license: str
    library: str
    tags: tuple[str, ...]
    task: str  # "image-feature-extraction"
    base_model: str | None  # a repository of the Hub, "owner/name"
    datasets: tuple[str, ...]
    results: tuple[EvaluationResult, ...]
    own: Mapping[str, str]  # what only `zoo search` reads: backbone, cut


def format_front_matter(facts: CardMetadata) -> str:
    """The block between the two lines of dashes, those included."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=one.task,
            dataset_type=one.dataset,
            dataset_name=one.dataset,
            dataset_split=one.split,
            metric_type=one.metric,
            metric_name=f"{one.metric.replace('_', ' ')} of {one.head}",
            metric_value=one.value,
        )
        for one in facts.results
    ]
    data = ModelCardData(
        license=facts.license,
        library_name=facts.library,
        tags=list(facts.tags),
        pipeline_tag=facts.task,
        base_model=facts.base_model,
        datasets=list(facts.datasets) or None,
        model_name=facts.name if results else None,
        eval_results=results or None,
    )
    if facts.base_model:
        data["base_model_relation"] = "finetune"
    data[ZOO_METADATA_KEY] = dict(facts.own)
    return f"---\n{data.to_yaml()}\n---\n"


def read_card_tags(card: str) -> tuple[str, ...]:
    """The tags in a card's metadata; none where it has no metadata, or such as cannot be read."""
    from huggingface_hub import ModelCard

    with contextlib.suppress(Exception):  # the client may raise anything for foreign YAML
        tags = ModelCard(card, ignore_metadata_errors=True).data.get("tags")
        return tuple(map(str, tags)) if isinstance(tags, list) else ()
    return ()


def validate_card(card: str, remote: RemoteRepository) -> None:
    """Ask the Hub whether it takes a card.

    Raises:
        UsageError: it does not; all that it says.
        PushError: it cannot be asked.
    """
    headers = client_utils().build_hf_headers(token=remote.token, library_name="zoo")
    asked = {"content": card, "repoType": "model"}

    def ask() -> Any:
        answer = open_session().post(f"{endpoint()}/api/validate-yaml", json=asked, headers=headers)
        if answer.status_code != 400:
            client_utils().hf_raise_for_status(answer)
        return answer.json() if answer.status_code == 400 else {}

    said = with_retries(ask, explain=remote.explain)
    faults = said.get("errors") if isinstance(said, dict) else None
    if faults:
        listed = "; ".join(str(one.get("message", one) if isinstance(one, dict) else one) for one in faults)
        raise UsageError(
            f"{remote.repo}: the Hub does not take the metadata of README.md: {listed}.", "Correct the card."
        )
