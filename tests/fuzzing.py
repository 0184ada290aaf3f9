"""Mutants of the files that are read, each opened by the code that reads it, in a process with limits.

    python tests/fuzzing.py registry:0:1000 parts:0:500    the mutants 0 to 999 of a reader, and 500 of another
    python tests/fuzzing.py registry:417:1                 one of them again, as a report names it

A mutant follows from its reader's name and its number alone. Every one must be read, or be refused by a ZooError of one
line, within SECONDS and with less than BYTES of memory on top of what the process has when all is imported.
"""

from __future__ import annotations

import copy
import faulthandler
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS, BYTES = 10, 10**9
OLD = Path(__file__).parent / "data" / "version-0.1"
STRANGE = [
    *("-1", "0", "1", "2.5", "1e999", "-1e999", "NaN", "Infinity", "nan", "inf", "9" * 30, "9" * 400, "9" * 5_000),
    *(str(2**31), str(2**63), str(2**64), "null", "true", '"true"', '""', '"x"', "[]", "{}", "[1]", '{"a": 1}'),
    *('"\\ud800"', '"\\udcff"', '"\\u0000"', '"../../x"', '"/"', '"\\n"', '"~nobody/x"', f'"{"x" * 5_000}"'),
    *("[" * 100, "[" * 100_000, '{"a":' * 3_000, "[" * 500 + "]" * 500, "1979-05-27", "0x10", "'", '"""', "\ufeff"),
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 3, 2**31, 2**63, 2**64, -(2**70), 10**400, 0.5, -0.5, 1e300),
    *(float("nan"), float("inf"), "", "x", "\ud800", "\udcff", "\0", "a\nb", "../x", "9" * 400, "x" * 5_000),
    *([], {}, [1], ["x"], [[]], [None], {"a": 1}, {"": {}}, [[0.5] * 3] * 3),
]
TOKENS = re.compile(rb'"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[\[\]{},:=\n;\t]')
SIGNS = b"[]{},:=\n;\t"


# ------------------------------------------------------------------------------------------------ mutants


def mutate(raw: bytes, name: str, draw: random.Random) -> bytes:
    """Another file: by its bytes, by its words, or by its values where it is JSON or safetensors."""
    kind = draw.random()
    if name.endswith(".safetensors") and kind < 0.6:
        end = 8 + int.from_bytes(raw[:8], "little")
        head = mutate(raw[8:end].rstrip(), "header.json", draw)
        return struct.pack("<Q", len(head)) + head + raw[end:]
    if name.endswith(".npy") and kind < 0.6:
        end = 10 + int.from_bytes(raw[8:10], "little")
        head = _words(raw[10:end], draw)[:60_000]
        return raw[:8] + struct.pack("<H", len(head)) + head + raw[end:]
    if name.endswith(".jsonl") and kind < 0.6:
        lines = raw.splitlines(keepends=True)
        at = draw.randrange(len(lines))
        return b"".join([*lines[:at], mutate(lines[at].strip(), "line.json", draw) + b"\n", *lines[at + 1 :]])
    if name.endswith(".json") and kind < 0.7:
        content, _, digest = raw.rpartition(b"\n")  # of what is sealed, which is refused in any case
        return _values(json.loads(content if re.fullmatch(rb"[0-9a-f]{64}", digest) else raw), draw)
    if name.endswith((".json", ".toml", ".csv", ".jsonl", ".txt", "METADATA")) and kind < 0.9:
        return _words(raw, draw)
    return _bytes(raw, draw)


def _bytes(raw: bytes, draw: random.Random) -> bytes:
    """Bits flipped, bytes replaced, zeroed, cut out, doubled, moved or inserted; the end cut off, or all."""
    made = bytearray(raw)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        if not made:
            break
        at, length = draw.randrange(len(made)), draw.choice((1, 2, 8, 60, 4_000))
        kind = draw.randrange(10)
        if kind < 3:
            made[at] ^= 1 << draw.randrange(8)
        elif kind == 3:
            made[at] = draw.choice(b'{}[],:"\\0-9e.\x00\xff\n#=')
        elif kind == 4:
            made[at : at + length] = bytes(len(made[at : at + length]))
        elif kind == 5:
            del made[at : at + length]
        elif kind == 6:
            made[at:at] = made[at : at + length] * draw.randrange(1, 20)
        elif kind == 7:
            other = draw.randrange(len(made))
            made[at : at + length] = made[other : other + length]
        elif kind == 8:
            made[at:at] = draw.choice((b"\xff\xfe", b"\xed\xa0\x80", b"\x00" * 100, b"PK\x03\x04", draw.randbytes(9)))
        else:
            del made[draw.choice((0, 1, at, at)) :]
    return bytes(made)


def _words(raw: bytes, draw: random.Random) -> bytes:
    """Words and signs replaced by strange ones, by others of the file, doubled or left out."""
    for _ in range(draw.choice((1, 1, 2, 5))):
        found = list(TOKENS.finditer(raw))
        values = [one for one in found if one[0][0] not in SIGNS]
        if values and draw.random() < 0.7:
            one, by = draw.choice(values), draw.choice(STRANGE).encode()
        elif found:
            one, other = draw.choice(found), draw.choice(found)
            by = draw.choice((draw.choice(STRANGE).encode(), other[0], b"", one[0] + b" " + one[0]))
        else:
            break
        raw = raw[: one.start()] + by + raw[one.end() :]
    return raw


def _values(content: Any, draw: random.Random) -> bytes:
    """Values of JSON replaced, keys lost, added, renamed or said twice: what a parser lets through."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        place, key = content, None
        while isinstance(place, dict | list) and place:
            key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], dict | list) or draw.random() < 0.3:
                break
            place = place[key]
        if key is None or not isinstance(place, dict | list) or not place:
            content = copy.deepcopy(draw.choice(VALUES))
        elif (kind := draw.random()) < 0.7:
            place[key] = copy.deepcopy(draw.choice(VALUES))
        elif kind < 0.85:
            del place[key]
        elif isinstance(place, dict):
            place[draw.choice((str(key).upper(), "", "x" * 300, "\n", "a/b", "__proto__"))] = copy.deepcopy(place[key])
        else:
            place.append(copy.deepcopy(place[key]))
    raw = json.dumps(content, ensure_ascii=draw.random() < 0.8).encode(errors="surrogatepass")
    return re.sub(rb'("[^"]+": )', rb"\1 1, \1", raw, count=1) if draw.random() < 0.05 else raw


# ------------------------------------------------------------------------------------------------ readers

Reader = tuple[Callable[[Path], object], list[str]]  # what opens a folder, and the files of it that are changed


def header(folder: Path) -> Reader:
    """A file of tensors."""
    from zoo.store import FolderSource, read_tensors

    shutil.copyfile(OLD / "run" / "heads.safetensors", folder / "heads.safetensors")

    def work(folder: Path) -> None:
        for tensor in read_tensors(FolderSource(folder), "heads.safetensors").values():
            str(tensor.dtype)

    return work, ["heads.safetensors"]


def manifest(folder: Path) -> Reader:
    """config.json of published filters."""
    from zoo.store import manifest_to_bytes, read_manifest

    shutil.copyfile(OLD / "filters" / "config.json", folder / "config.json")

    def work(folder: Path) -> None:
        manifest_to_bytes(read_manifest((folder / "config.json").read_bytes(), "here"))

    return work, ["config.json"]


def registry(folder: Path) -> Reader:
    """registry.toml: its entries, their sources, and its editing."""
    from zoo.store import RegistryEntry, add_entry, parse_source, remove_entry
    from zoo.store.registry_file import read_registry

    (folder / "registry.toml").write_bytes((OLD / "registry.toml").read_bytes() + VALID_REGISTRY)

    def work(folder: Path) -> None:
        path = folder / "registry.toml"
        for entry in read_registry(path).values():
            for source in entry.sources:
                with refusing():
                    parse_source(source, base=entry.base)
        name = next(iter(read_registry(path)), "b")
        with refusing():
            add_entry(RegistryEntry(name=name, sources=("hf://a/b",)), path=path, overwrite=True)
        with refusing():
            remove_entry(name, path=path)

    return work, ["registry.toml"]


VALID_REGISTRY = b'\n[filters."a.b"]\nsources = ["package:zoo_filters/a"] # why\nabout = """\nTwo\nlines"""\n'


def cached_registry(folder: Path) -> Reader:
    """What is kept of a large registry."""
    from zoo.files import zoo_home
    from zoo.store.registry_file import read_registry

    path = folder / "large.toml"
    path.write_text(f'format = 1\n[filters.a]\nsources = ["a/b"]\nabout = "{"x" * 100_000}"\n')
    read_registry(path)
    kept = next((zoo_home() / "registries").glob("*.json"))
    (folder / "kept.json").write_bytes(kept.read_bytes())
    expected = read_registry(path)

    def work(folder: Path) -> None:
        shutil.copyfile(folder / "kept.json", kept)
        found = read_registry(path)
        if found != expected:
            raise AssertionError("another registry was read")

    return work, ["kept.json"]


def recipe(folder: Path) -> Reader:
    """A recipe: the filters, heads and stages that it asks for."""
    from zoo.contracts import Categories
    from zoo.models import assemble
    from zoo.training.finetune import load_starting_filters
    from zoo.training.recipe import read_recipe, recipe_text
    from zoo.training.schedule import plan_stages

    shutil.copyfile(OLD / "run" / "recipe.toml", folder / "recipe.toml")

    def work(folder: Path) -> None:
        recipe = read_recipe(folder / "recipe.toml")
        recipe_text(recipe)
        filters = load_starting_filters(recipe)
        heads = [head.spec() for head in recipe.heads]
        assemble(filters, dataset={"label": Categories(("a", "b"))}, heads=heads, size=recipe.size, seed=recipe.seed)
        plan_stages(recipe.training, filters, fresh=True)

    return work, ["recipe.toml"]


def record(folder: Path) -> Reader:
    """The texts of a run's folder."""
    import zoo
    from zoo.training.runs import check_run_folder

    shutil.copytree(OLD / "run", folder, dirs_exist_ok=True)

    def work(folder: Path) -> None:
        with refusing():
            check_run_folder(folder)
        run = zoo.open_run(folder)
        format_all(run.metrics)
        format_all(run.history)
        run.note(seconds=1.0)

    return work, ["run.json", "history.json", "metrics.json", "recipe.toml"]


def run(folder: Path) -> Reader:
    """A run's folder as evaluate, predict and push open it."""
    import zoo
    from zoo.publish.cards import ExportOptions, write_card

    shutil.copytree(OLD / "run", folder, dirs_exist_ok=True)
    options = ExportOptions(name="a", license="mit", pictures="none")

    def work(folder: Path) -> None:
        run = zoo.open_run(folder)
        model = run.load_model()
        write_card(folder / "card.md", run, model, options)

    return work, ["run.json", "run.json", "metrics.json", "filters.safetensors", "heads.safetensors"]


def checkpoint(folder: Path) -> Reader:
    """A stopped run as resume opens it, but for its pictures."""
    import zoo
    from zoo.training.checkpoints import load_checkpoint, save_checkpoint, select_prefix
    from zoo.training.runs import build_model
    from zoo.training.session import Position

    shutil.copytree(OLD / "stopped", folder, dirs_exist_ok=True)
    path = folder / "checkpoint.safetensors"
    save_checkpoint(path, *load_checkpoint(path))

    def work(folder: Path) -> None:
        run = zoo.open_run(folder)
        tensors, state = load_checkpoint(path)
        Position(**state)
        build_model(run.record, select_prefix("filters", tensors), select_prefix("heads", tensors))

    return work, ["checkpoint.safetensors", "checkpoint.safetensors", "run.json", "recipe.toml"]


def published(folder: Path) -> Reader:
    """A folder of published filters: manifest, weights, heads, metrics, recipe."""
    import zoo
    from zoo.cli.datasets import find_own_dataset
    from zoo.cli.names import _scores

    shutil.copytree(OLD / "filters", folder, dirs_exist_ok=True)

    def work(folder: Path) -> None:
        with refusing():
            artifact = zoo.fetch(str(folder))
            _scores(artifact)
        with refusing():
            find_own_dataset(zoo.load(str(folder)))
        zoo.load_model(str(folder))

    names = ["config.json", "config.json", "metrics.json", "recipe.toml", "heads.safetensors", "model.safetensors"]
    return work, names


def shards(folder: Path) -> Reader:
    """A checkpoint of others in two files, with its index."""
    import torch

    from zoo.models.checkpoint import open_checkpoint
    from zoo.store import write_tensors

    names = ["a.safetensors", "b.safetensors"]
    for name in names:
        write_tensors(
            folder / name, {f"{name[0]}.weight": torch.arange(6).reshape(2, 3), f"{name[0]}.bias": torch.ones(2)}
        )
    index = {"weight_map": {f"{name[0]}.{part}": name for name in names for part in ("weight", "bias")}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    def work(folder: Path) -> None:
        checkpoint = open_checkpoint(str(folder))
        for tensor in checkpoint.read(list(checkpoint.tensors)).values():
            tensor.float().sum()

    return work, [*names, "model.safetensors.index.json"]


def embeddings(folder: Path) -> Reader:
    """Files of embeddings in their three formats."""
    import zoo

    found = zoo.read_embeddings(OLD / "embeddings.parquet")
    for suffix in ("parquet", "npy", "safetensors"):
        found.save(folder / f"e.{suffix}")

    def work(folder: Path) -> None:
        for suffix in ("parquet", "npy", "safetensors"):
            if f"e.{suffix}" in os.environ.get("ZOO_FUZZED", f"e.{suffix}"):
                read_embedded(folder / f"e.{suffix}")

    return work, ["e.parquet", "e.npy", "e.npy.rows.jsonl", "e.safetensors"]


def read_embedded(path: Path) -> None:
    """All that is read of a file of embeddings."""
    import zoo
    from zoo.embedding import open_table

    found = zoo.read_embeddings(path)
    str(found.space)
    if len(found) > 1:
        found.most_similar(0, 1)
        found.duplicates(0.999)
    table = open_table(path)
    table.find(found.paths[-1])
    table.vector(len(found) - 1)


def parts(folder: Path) -> Reader:
    """What an embedding that was stopped left."""
    import numpy as np

    import zoo
    from zoo.embedding.parts import PartsFolder, read_chunks, write_part
    from zoo.embedding.stream import EmbeddingChunk, UnreadablePicture

    space = zoo.read_embeddings(OLD / "embeddings.parquet").space
    out = folder / "e.parquet"
    with PartsFolder(out) as opened:
        opened.open(space, identity="x", pictures=9, resume=False)
        paths = ("a", "b", "c")
        chunk = EmbeddingChunk(
            paths=paths,
            labels=("x", None, "y"),
            groups=(None,) * 3,
            vectors=np.ones((3, space.width), dtype=np.float32),
            faults=(UnreadablePicture(path="d", text="no"),),
        )
        write_part(opened.folder, [chunk], start=0)
        write_part(opened.folder, [chunk], start=4)
    before = {path.name: path.read_bytes() for path in opened.folder.iterdir()}

    def work(folder: Path) -> None:
        for name, raw in before.items():  # damaged ones are removed
            if not (opened.folder / name).exists():
                (opened.folder / name).write_bytes(raw)
        with PartsFolder(out) as again:
            again.open(space, identity="x", pictures=9, resume=True)
            for chunk in read_chunks(again.listed()):
                if chunk.done != 4:
                    raise AssertionError("another part was read")

    return work, [f"{opened.folder.name}/{name}" for name in before if name != "lock"]


def image_folder(folder: Path) -> Reader:
    """A table of labels."""
    from zoo.builtin.image_folder import ImageFolder

    draw_pictures(folder, ["a.png", "b.png", "c/d.png"])
    rows = ["path,label,group,split", "a.png,x,1,train", "b.png,y,2,val", '"c/d.png",x,,test']
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (folder / "tabs.csv").write_text("\r\n".join(row.replace(",", "\t") for row in rows) + "\r\n")

    def work(folder: Path) -> None:
        for name in ("labels.csv", "tabs.csv"):
            with refusing():
                use_dataset(ImageFolder(labels=name), folder)

    return work, ["labels.csv", "tabs.csv"]


def fisheries(folder: Path) -> Reader:
    """Box files, a table of boats, a table of windows."""
    from zoo_fisheries import Fisheries, Windows

    draw_pictures(folder, [f"train/{kind}/img_{n}.jpg" for kind in ("ALB", "BET", "NoF") for n in range(2)])
    for kind in ("ALB", "BET"):
        (folder / "train" / kind / "img_0.jpg").rename(folder / "train" / kind / f"{kind}_0.jpg")
        box = {"class": "rect", "height": 4.5, "width": 5.0, "x": 1.0, "y": 2}
        entries = [
            {"annotations": [box], "class": "image", "filename": f"{kind}_0.jpg"},
            {"annotations": [box, {**box, "x": -3}], "class": "image", "filename": f"train/{kind}/img_1.jpg"},
        ]
        (folder / f"{kind.lower()}_labels.json").write_text(json.dumps(entries))
    (folder / "boats.csv").write_text("image,boat,split\nALB_0.jpg,a,train\nimg_1.jpg,b,test\nBET_0.jpg,a,val\n")

    lines = [f"train/{kind}/img_1.jpg,{kind},0,0,8,8,1,1.5,6,7,g{n}" for kind in ("ALB", "BET") for n in range(3)]
    (folder / "windows.csv").write_text("\n".join(["image,label,wx1,wy1,wx2,wy2,x1,y1,x2,y2,group", *lines, ""]))

    def work(folder: Path) -> None:
        with refusing():
            use_dataset(Windows(split=0), folder)
        use_dataset(Fisheries(), folder)

    return work, ["alb_labels.json", "bet_labels.json", "boats.csv", "windows.csv"]


def drawn_sets(folder: Path) -> Reader:
    """The records of drawn sets."""
    from zoo_fisheries import Fisheries
    from zoo_fisheries.drawn.making import find_record as find_fish
    from zoo_plankton import Plankton
    from zoo_plankton.drawn import find_record as find_plankton

    os.environ.pop("ZOO_FUZZED", None)
    (folder / "fish").mkdir()
    (folder / "plankton").mkdir()
    fish = {"pictures": 80, "boats": 12, "width": 320, "confound": 0.3, "hidden": 0.3, "seed": 0}
    (folder / "fish" / "drawn.json").write_text(json.dumps(fish))
    (folder / "plankton" / "drawn.json").write_text(json.dumps({"kinds": "common", "pictures": 300, "seed": 0}))

    def work(folder: Path) -> None:
        for find, place in ((find_fish, "fish"), (find_plankton, "plankton")):
            with refusing():
                find(folder / place)
        if "ZOO_FUZZED" not in os.environ and find_fish(folder / "fish") != (Fisheries(pictures=80).options, True):
            raise AssertionError("another record was read")
        for dataset, place in ((Fisheries(pictures=80), "fish"), (Plankton(pictures=300), "plankton")):
            with refusing():  # at the latest for the pictures, which are not there
                use_dataset(dataset, folder / place)

    return work, ["fish/drawn.json", "plankton/drawn.json"]


def plankton(folder: Path) -> Reader:
    """The sample submission, whose header orders the classes."""
    from zoo_plankton import Plankton

    draw_pictures(folder, [f"train/{kind}/{n}.jpg" for kind in ("copepod", "shrimp") for n in range(2)])
    (folder / "sampleSubmission.csv").write_text("image,shrimp,copepod,krill\n1.jpg,0.1,0.2,0.3\n")

    def work(folder: Path) -> None:
        use_dataset(Plankton(), folder)

    return work, ["sampleSubmission.csv"]


def decoded(folder: Path) -> Reader:
    """The cache of decoded pictures."""
    from zoo.builtin.image_folder import ImageFolder
    from zoo.data.decoded import decode

    draw_pictures(folder, [f"in/{kind}/{n}.png" for kind in "ab" for n in range(3)])
    dataset = ImageFolder()
    dataset.prepare(folder / "in")
    (folder / "decoded").mkdir()
    before = decode(dataset, size=16, identity="x" * 64, cache=folder / "decoded")
    place = next((folder / "decoded").iterdir())
    kept = {path.name: path.read_bytes() for path in place.iterdir()}

    def work(folder: Path) -> None:
        found = decode(dataset, size=16, identity="x" * 64, cache=folder / "decoded")
        if (found.paths, found.index.tolist()) != (before.paths, before.index.tolist()):
            raise AssertionError("another table was read")
        int(found.images.sum())

    return work, [f"decoded/{place.name}/{name}" for name in kept]


def ablation(folder: Path) -> Reader:
    """The plan that an ablation's folder holds, and what was tuned."""
    from zoo_ablation.plan import AblationPlan, open_ablation_folder
    from zoo_ablation.tuning import Candidate, Trial, Tuned, read_tuned, tuned_table

    from zoo.training.recipe import read_recipe

    plan = AblationPlan(
        recipe=read_recipe(OLD / "run" / "recipe.toml"),
        left_out="again",
        variants=(),
        possible=(),
        primary_metric=None,  # type: ignore[arg-type]  # the folder does not name it
        pictures="p",
        start="s",
        splits=("test",),
    )
    open_ablation_folder(folder, plan)
    trials = tuple(Trial(candidate=Candidate(rate=rate, weight=0.3), values=(1.5, rate)) for rate in (1e-3, 3e-4))
    tuned = Tuned(chosen=trials[1].candidate, metric="log_loss", seeds=(0, 1), trials=trials)
    (folder / "tuning.json").write_text(json.dumps({"with": tuned.model_dump(mode="json")}))

    def work(folder: Path) -> None:
        with refusing():
            open_ablation_folder(folder, plan)
        tuned_table(read_tuned(folder), {"with": "classify + locate"})

    return work, ["question.json", "tuning.json"]


def packages(folder: Path) -> Reader:
    """The metadata of installed packages."""
    from zoo.plugins import GROUPS, clear_plugin_cache, find_clashing_names, find_plugins

    info = folder / "zoo_whales-1.2.dist-info"
    info.mkdir()
    points = "".join(f"[{group}]\nwhales = zoo_whales:Whales\n\n" for group in GROUPS.values())
    (info / "entry_points.txt").write_text(points)
    lines = ["Metadata-Version: 2.1", "Name: zoo-whales", "Version: 1.2", "Requires-Dist: filterzoo (>=0.2,<0.3)"]
    (info / "METADATA").write_text("\n".join([*lines, "Requires-Dist: filterzoo>=0.2,<0.3,!=0.2.*", "", "Text"]))
    sys.path.insert(0, str(folder))

    def work(folder: Path) -> None:
        clear_plugin_cache()
        for kind in GROUPS:
            find_clashing_names(kind)
            for plugin in find_plugins(kind):
                str(plugin.mismatch)

    return work, [f"{info.name}/entry_points.txt", f"{info.name}/METADATA"]


def caches(folder: Path) -> Reader:
    """The caches as `zoo cache` lists them."""
    from zoo.hub.range_cache import RangeCache
    from zoo.store import list_caches

    os.environ["ZOO_HOME"], os.environ["HF_HUB_CACHE"] = str(folder), str(folder / "hub")
    commit = "0" * 40
    repo = folder / "hub" / "models--a--b"
    shutil.copytree(OLD / "filters", repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    kept = RangeCache.of("a/b", commit, "model.safetensors")
    kept.keep({(0, 4): memoryview(b"abcd"), (8, 12): memoryview(b"efgh")}, size=100)
    index = next(folder.glob("parts/**/*.json*")).relative_to(folder)

    def work(folder: Path) -> None:
        list_caches()
        kept.size()
        kept.find([(0, 4)])

    return work, [f"hub/models--a--b/snapshots/{commit}/config.json", "hub/models--a--b/refs/main", str(index)]


# ------------------------------------------------------------------------------------------------ what they share


@contextmanager
def refusing() -> Iterator[None]:
    """Inside, a refusal is looked at and passed over."""
    from zoo.errors import ZooError

    try:
        yield
    except ZooError as error:
        check_refusal(error)


def check_refusal(error: Exception) -> None:
    """Raises AssertionError: it is no line for people."""
    text = str(error)
    if "\n" in text or len(text) > 4_000:
        raise AssertionError(f"not one line of text: {text[:2_000]!r}") from error


def format_all(content: Any) -> None:
    """All numbers as people are shown them."""
    for one in content.values() if isinstance(content, dict) else content:
        if isinstance(one, dict | list):
            format_all(one)
        elif isinstance(one, int | float):
            f"{one:.4f}"


def draw_pictures(folder: Path, names: list[str]) -> None:
    """Small pictures."""
    from PIL import Image

    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + number, 16), (number * 20, 90, 120)).save(path)


def use_dataset(dataset: Any, folder: Path) -> None:
    """Prepare it, and read its splits and some samples."""
    dataset.prepare(folder)
    dict(dataset.splits)
    for index in range(min(len(dataset), 3)):
        str(dataset[index].targets)


READERS: dict[str, Callable[[Path], Reader]] = {
    made.__name__: made
    for made in (
        *(
            header,
            manifest,
            registry,
            cached_registry,
            recipe,
            record,
            run,
            checkpoint,
            published,
            shards,
            embeddings,
            parts,
        ),
        *(image_folder, fisheries, drawn_sets, plankton, decoded, ablation, packages, caches),
    )
}


# ------------------------------------------------------------------------------------------------ one process


def _limit_memory() -> None:
    used = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"longer than {SECONDS} seconds")


def check(name: str, numbers: range, folder: Path, opened: Reader) -> Iterator[str]:
    """Open some mutants; a text for each that is neither read nor refused."""
    from zoo.errors import ZooError

    work, changed = opened
    before = {one: (folder / one).read_bytes() for one in changed}
    for number in numbers:
        draw = random.Random(f"{name} {number}")
        one = draw.choice(changed)
        os.environ["ZOO_FUZZED"] = one  # what a reader of several files may look at
        (folder / one).write_bytes(mutate(before[one], one, draw))
        signal.alarm(SECONDS)
        try:
            work(folder)
        except ZooError as error:
            try:
                check_refusal(error)
            except AssertionError:
                yield f"{name}:{number}:1 ({one}): {traceback.format_exc()}"
        except Exception:
            yield f"{name}:{number}:1 ({one}): {traceback.format_exc()}"
        finally:
            signal.alarm(0)
        for other, raw in before.items():
            if other == one or not (folder / other).exists():
                (folder / other).parent.mkdir(parents=True, exist_ok=True)
                (folder / other).write_bytes(raw)
        if number % 500 == 499:
            print(f"{name} {number + 1}", file=sys.stderr)  # where it was, should the process die


def main(*asked: str) -> int:
    """Open the mutants that the command line names; 1 where one was neither read nor refused."""
    memory = Path("/dev/shm")  # where a written file need not wait for a disk
    warnings.simplefilter("ignore")
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _too_slow)
    faults: list[str] = []
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        os.environ |= {"ZOO_HOME": f"{place}/home", "HF_HOME": f"{place}/hf", "HF_HUB_OFFLINE": "1"}
        for words in asked:
            name, first, count = words.split(":")
            folder = Path(place, name)
            folder.mkdir()
            opened = READERS[name](folder)
            opened[0](folder)  # what is valid is read, and all is imported
            before = resource.getrlimit(resource.RLIMIT_AS)
            if sys.platform == "linux":
                _limit_memory()
            found = check(name, range(int(first), int(first) + int(count)), folder, opened)
            faults += itertools.islice(found, 5)
            resource.setrlimit(resource.RLIMIT_AS, before)
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
