"""The card of published filters: README.md with the Hub's metadata on top."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.contracts import Categories, Cut, Target
from zoo.files import write_whole

TAGS = ("zoo", "feature-filters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says."""

    name: str
    license: str
    about: str
    backbone: str
    cut: Cut
    size: int
    dtype: str
    parameters: int
    base: str | None
    weights: str
    dataset: Mapping[str, Any]
    splits: Mapping[str, Any]
    device: str
    versions: Mapping[str, str]
    seed: int
    seconds: float
    heads: Mapping[str, Target]
    figures: Mapping[str, Any]


def write_card(path: Path, card: Card) -> None:
    """Write the card; every figure in it comes from the run."""
    pictures = {name for name in ("filters.png", "confusion.png", "curves.png") if (path.parent / name).is_file()}
    write_whole(path, f"---\n{_front_matter(card)}---\n\n{_body(card, pictures)}")


def _front_matter(card: Card) -> str:
    """YAML, written as JSON values, which YAML reads."""
    facts: dict[str, Any] = {
        "library_name": "zoo",
        "tags": list(TAGS),
        "pipeline_tag": "image-feature-extraction",
        "license": card.license,
        "datasets": [card.dataset["name"]],
        "model-index": _model_index(card),
    }
    if card.base:
        facts |= {"base_model": card.base, "base_model_relation": "finetune"}
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in facts.items() if value)


def _model_index(card: Card) -> list[dict[str, Any]]:
    results = [
        {
            "task": {"type": "image-classification", "name": head},
            "dataset": {"name": card.dataset["name"], "type": card.dataset["name"], "split": split},
            "metrics": [{"type": key, "value": value} for key, value in metrics.items() if isinstance(value, float)],
        }
        for split, by_head in card.figures.items()
        for head, metrics in by_head.items()
    ]
    return [{"name": card.name, "results": results}] if results else []


def _body(card: Card, pictures: set[str]) -> str:
    short = card.backbone.rpartition("/")[2]
    began = f"fine-tuned from `{card.base}`" if card.base else f"began with `{card.weights}` weights"
    options = ", ".join(f"{key} = {value}" for key, value in card.dataset.get("options", {}).items())
    parts = [
        f"# {card.name}",
        card.about,
        f"Feature filters: `{short}` cut after `{card.cut.name}` (`{card.cut.node}`), {card.parameters:,} parameters, "
        f"{card.cut.channels} channels, one cell for every {card.cut.stride} x {card.cut.stride} pixels. "
        f"The weights {began}.",
        "## Use",
        "```python\nimport zoo\n"
        f'filters = zoo.load("{card.name}")\n'
        'vectors = filters.embed("photos/").vectors  # (N, ' + str(card.cut.channels) + ")\n```",
        f"`model.safetensors` holds the parameters under `{short}`'s own names: "
        "`load_state_dict(..., strict=False)` puts them into the plain backbone.",
        "## Scores",
        _scores(card),
        "## How it was made",
        f"- data: `{card.dataset['name']}` of the package `{card.dataset['package']}` "
        f"{card.dataset['version']}" + (f" ({options})" if options else ""),
        f"- pictures: {card.splits['train']:,} to train, {card.splits['val']:,} to validate, "
        f"{card.splits['test']:,} to test, squashed to {card.size} x {card.size} pixels ({card.splits['how']})",
        f"- seed {card.seed}, {card.device}, {card.seconds:,.0f} seconds",
        f"- weights published as {card.dtype}"
        + ("" if card.dtype == "float32" else "; scored in float32, before they were rounded"),
        "- " + ", ".join(f"{package} {number}" for package, number in card.versions.items()),
        "- `recipe.toml` trains it again; `metrics.json` has every epoch",
    ]
    for name, target in card.heads.items():
        if isinstance(target, Categories):
            parts += [f"## Classes of the head `{name}`", ", ".join(f"`{one}`" for one in target.names)]
    titles = {"curves.png": "Training", "confusion.png": "Confusion", "filters.png": "First filters"}
    for file in ("confusion.png", "curves.png", "filters.png"):
        if file in pictures:
            parts += [f"## {titles[file]}", f"![{titles[file]}]({file})"]
    text = "\n\n".join(part for part in parts if part) + "\n"
    return text.replace("\n\n- ", "\n- ").replace("## How it was made\n- ", "## How it was made\n\n- ")


def _scores(card: Card) -> str:
    rows = []
    for split, by_head in card.figures.items():
        for head, metrics in by_head.items():
            figures = {key: value for key, value in metrics.items() if isinstance(value, float)}
            rows.append((f"{split}, {head}", figures))
    if not rows:
        return "None were measured."
    columns = list(dict.fromkeys(column for _, figures in rows for column in figures))
    lines = [
        "| pictures, head | " + " | ".join(column.replace("_", " ") for column in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    lines += [
        f"| {title} | " + " | ".join(f"{figures[column]:.4f}" if column in figures else "" for column in columns) + " |"
        for title, figures in rows
    ]
    return "\n".join(lines)
