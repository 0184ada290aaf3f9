"""What is opened before anything is labelled: pictures, journal, filters, earlier labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.embedding import EmbeddingSpace, EmbeddingTable
from zoo.errors import FileError, UsageError
from zoo.models import Filters, load
from zoo.training import Run, open_run
from zoo_label.annotator import chosen_kinds
from zoo_label.journal import Journal
from zoo_label.pictures import TABLES, PictureFolder, open_embedded, open_folder
from zoo_label.rounds import begin_round
from zoo_label.session import Labelling
from zoo_label.tables import import_csv
from zoo_label.vectors import VectorStore, embed_missing
from zoo_label.worker import Embed


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A labelling, and what embeds its pictures; None where their vectors are there."""

    labelling: Labelling
    embed: Embed | None

    def remember(self, out: Path) -> None:
        """Note what the written labels look like: if they differ the next time, somebody has edited them."""
        self.labelling.journal.note("written", hashlib.sha256(out.read_bytes()).hexdigest())


def open_journal(path: Path) -> Journal:
    """A journal that is there. Raises FileError: there is none."""
    if not path.is_file():
        raise FileError(
            path, "there is no such journal", "Run `zoo label PHOTOS -o labels.csv` first, or name its `out=`."
        )
    return Journal(path)


def check_source(what: Path) -> None:
    """Check that there is what is to be labelled. Raises FileError: neither a folder, nor what `zoo embed` wrote."""
    if what.suffix.lower() not in TABLES and not what.is_dir():
        raise FileError(what, "there is no such folder", "Name a folder of pictures, or what `zoo embed` wrote.")


def open_pictures(what: Path) -> tuple[PictureFolder, EmbeddingTable | None, np.ndarray]:
    """Pictures of a folder, or of a file of embeddings, with the file and its rows."""
    check_source(what)
    if what.suffix.lower() in TABLES:
        return open_embedded(what)
    return open_folder(what), None, np.empty(0, dtype=np.int64)


def open_labelling(
    what: Path,
    journal_file: Path,
    *,
    out: Path,
    person: str,
    filters: str | None = None,
    cut: str | None = None,
    size: int | None = None,
    run: Path | None = None,
    table: Path | None = None,
    device: str | None = None,
) -> Opened:
    """Open all that a page needs.

    Args:
        what: a folder of pictures, or what `zoo embed` wrote.
        journal_file: made where it is missing.
        out: the CSV of labels; one that is there and that this journal did not write is taken up first.
        person: who labels.
        filters: what to embed a folder with.
        cut: where they stop.
        size: the side that pictures are resized to.
        run: instead of filters, a training whose filters are used.
        table: a CSV to take up first.
        device: where to embed.

    Raises:
        ZooError: pictures, filters, the run or a table cannot be opened; what to do is said.
    """
    pictures, embedded, rows = open_pictures(what)
    trained = open_run(run) if run else None
    network = trained.load_model().filters if trained else None
    if embedded is not None and (filters or trained):
        raise UsageError(f"{what} says which filters its vectors are of.", "Name the folder of pictures instead.")
    if embedded is None and network is None:
        network = load(filters or "", cut=cut)
    space = embedded.space if embedded is not None else _space(network, trained, size)
    journal = Journal(journal_file)
    labelling = Labelling(journal, pictures, person=person, filters=space.manifest, filters_name=space.filters)
    for given in (_edited(journal, out), table):
        if given is not None:
            import_csv(journal, given, person=person, filters=space.manifest)
    begin_round(journal, person=person, filters=space.manifest, name=space.filters, test=_test_accuracy(trained))
    if embedded is not None:
        labelling.take_vectors(pictures.paths, embedded.read_vectors(rows))
        return Opened(labelling=labelling, embed=None)
    store = VectorStore(folder=journal_file.with_suffix(".vectors") / space.manifest[-16:], space=space)
    return Opened(labelling=labelling, embed=_embedder(network, pictures, store, device))


def _space(network: Filters | None, trained: Run | None, size: int | None) -> EmbeddingSpace:
    if network is None:
        raise UsageError("There are no filters to embed with.")
    side = size or (trained.recipe.size if trained else None)
    return network.space(size=side)


def _embedder(network: Filters | None, pictures: PictureFolder, store: VectorStore, device: str | None) -> Embed | None:
    if network is None:
        return None
    filters = network

    def embed(
        take: Callable[[Sequence[str], np.ndarray], None], tell: Callable[[int, int, Sequence[str]], None]
    ) -> None:
        embed_missing(filters, pictures, store, take=take, tell=tell, stopped=lambda: False, device=device)

    return embed


def _edited(journal: Journal, out: Path) -> Path | None:
    """The CSV, where it is there and not as this journal wrote it."""
    if not out.is_file():
        return None
    return None if hashlib.sha256(out.read_bytes()).hexdigest() == journal.fact("written") else out


def _test_accuracy(run: Run | None) -> float | None:
    heads = run.metrics.get("test", {}) if run else {}
    return next((float(one["accuracy"]) for one in heads.values() if "accuracy" in one), None)


def read_truth(path: Path) -> tuple[np.ndarray, np.ndarray, list[str | None], EmbeddingSpace]:
    """Vectors (N, D), codes (N) and groups of the labelled rows of a file of embeddings, and its space.

    Raises:
        UsageError: it is no file of embeddings, or has no labels.
    """
    from zoo.embedding import open_table

    table = open_table(path)
    rows = [row for _, row in table.rows()]
    truth, _ = chosen_kinds([row.label for row in rows])
    labelled = np.flatnonzero(truth >= 0)
    if not len(labelled):
        raise UsageError(f"{path}: its pictures have no labels.", "Embed a dataset with labels: `zoo embed --dataset`.")
    return table.read_vectors(labelled), truth[labelled], [rows[place].group for place in labelled], table.space
