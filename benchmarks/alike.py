"""Similarity search by filters: neighbours and odd ones out on kinds of plankton that they were not trained on.

    python benchmarks/alike.py --json docs/alike.json --page docs/alike.md --sheets docs

Drawn plankton of the `other` kinds, the test split, embedded with vgg16-plankton, with the same network from random
weights, and as raw pixels. A neighbour is right where it is of the query's kind and from another haul. An odd one out:
four pictures of one kind and one of another, `doesnt_match` should name the other; drawn at random, by the seed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.data.images import resize
from zoo.devices import describe_device, pick_device
from zoo.embedding.embeddings import Embeddings
from zoo.models.building import build_filters
from zoo.plots.contact_sheet import draw_neighbours

FILTERS, SIDE, PIXELS = "vgg16-plankton", 64, 16
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main() -> None:
    """Measure, draw, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--draws", type=int, default=1000, help="odd ones out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="put the table between its markers")
    parser.add_argument("--sheets", type=Path, help="draw similar.png and odd-one-out.png into this folder")
    asked = parser.parse_args()
    data = zoo.open_dataset("plankton", options={"kinds": "other", "pictures": asked.pictures})
    rows = data.dataset.splits["test"]
    paths = [str(data.dataset[row].path) for row in rows]
    kinds = data.dataset.targets["label"].names
    labels = tuple(kinds[data.dataset[row].targets["label"]] for row in rows)
    groups = tuple(data.dataset[row].group for row in rows)
    arms = {
        FILTERS: zoo.load(FILTERS).embed(paths),
        "the same network, random weights": build_filters(
            "vgg16", cut="block3", weights="random", size=SIDE, seed=asked.seed
        ).embed(paths),
    }
    arms = {name: replace(one, labels=labels, groups=groups) for name, one in arms.items()}
    arms[f"raw pixels, {PIXELS} x {PIXELS}"] = replace(arms[FILTERS], vectors=raw_pixels(paths))
    draws = draw_odd(labels, np.random.default_rng(asked.seed), asked.draws)
    figures = {name: measure(one, draws) for name, one in arms.items()}
    device = describe_device(pick_device(None))
    facts = (
        f"{len(paths)} test pictures of {len(set(labels))} kinds, {len(set(groups))} hauls, seed {asked.seed}, {device}"
    )
    table = [
        "| vectors | nearest is of its kind | of the five nearest | odd one out found |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {one['first']:.1%} | {one['five']:.1%} | {one['odd']:.1%} |" for name, one in figures.items()),
    ]
    print("\n".join([*table, "", facts]))
    if asked.json:
        asked.json.write_text(json.dumps({"figures": figures, "what": facts, "draws": asked.draws}, indent=1) + "\n")
    if asked.page:
        text = asked.page.read_text()
        before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        asked.page.write_text("\n".join([before, *table, "", f"{facts}; {asked.draws:,} draws.", after]))
    if asked.sheets:
        draw_sheets(arms[FILTERS], draws, asked.sheets)


def raw_pixels(paths: list[str]) -> np.ndarray:
    """(N, 3 * P * P) float32, less their mean: cosines of plain pixels are all near 1."""
    flat = np.stack([resize(zoo.read_image(path), PIXELS).numpy().reshape(-1) for path in paths]).astype(np.float32)
    centred: np.ndarray = flat - flat.mean(axis=0)
    return centred


def draw_odd(labels: tuple[str, ...], rng: np.random.Generator, most: int) -> list[list[int]]:
    """Rows of four of one kind and, last, one of another; kinds with five pictures or more."""
    of_kind = {kind: np.flatnonzero(np.array(labels) == kind) for kind in sorted(set(labels))}
    many = [kind for kind, rows in of_kind.items() if len(rows) >= 5]
    draws = []
    for _ in range(most):
        one, other = rng.choice(many, 2, replace=False)
        draws.append([*rng.choice(of_kind[one], 4, replace=False).tolist(), int(rng.choice(of_kind[other]))])
    return draws


def measure(embedded: Embeddings, draws: list[list[int]]) -> dict[str, float]:
    """Shares of right neighbours of other hauls, and of odd ones found."""
    unit = embedded.vectors / np.linalg.norm(embedded.vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    groups, labels = np.array(embedded.groups), np.array(embedded.labels)
    cosines[groups[:, None] == groups[None, :]] = -np.inf
    nearest = np.argsort(-cosines, axis=1)[:, :5]
    right = labels[nearest] == labels[:, None]
    odd = [embedded.doesnt_match([embedded.paths[row] for row in rows]) == embedded.paths[rows[-1]] for rows in draws]
    return {"first": float(right[:, 0].mean()), "five": float(right.mean()), "odd": float(np.mean(odd))}


def draw_sheets(embedded: Embeddings, draws: list[list[int]], folder: Path) -> None:
    """A query of each of the commonest kinds with its nearest; the first draws with the one that was named."""
    labels = embedded.labels or ()
    common = sorted(set(labels), key=lambda kind: (-labels.count(kind), kind))[:6]
    queries = [labels.index(kind) for kind in common]
    near = [embedded.nearest(row, 6) for row in queries]

    def said(row: int, text: str = "") -> str:
        return f"{(labels[row] or '').replace('_', ' ')} {text}".strip()

    sheet = draw_neighbours(
        [picture(embedded, row) for row in queries],
        [[picture(embedded, row) for row, _ in found] for found in near],
        captions=[
            [said(query), *(said(row, f"{cosine:.3f}") for row, cosine in found)]
            for query, found in zip(queries, near, strict=True)
        ],
        agree=[[labels[row] == labels[query] for row, _ in found] for query, found in zip(queries, near, strict=True)],
    )
    sheet.save(folder / "similar.png", optimize=True)
    rows = draws[:6]
    named = [embedded.doesnt_match([embedded.paths[row] for row in draw]) for draw in rows]
    found = [embedded.paths.index(path) for path in named]
    odd = draw_neighbours(
        [picture(embedded, row) for row in found],
        [[picture(embedded, row) for row in draw if row != one] for draw, one in zip(rows, found, strict=True)],
        captions=[
            [said(one), *(said(row) for row in draw if row != one)] for draw, one in zip(rows, found, strict=True)
        ],
        titles=("does not match", "among these"),
    )
    odd.save(folder / "odd-one-out.png", optimize=True)


def picture(embedded: Embeddings, row: int) -> Any:
    """As a numpy array (H, W, 3)."""
    return zoo.read_image(embedded.paths[row]).permute(1, 2, 0).numpy()


if __name__ == "__main__":
    main()
