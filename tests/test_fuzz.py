"""The readers of what strangers wrote, fed with rubbish: nothing but ZooError, and memory in proportion to the input.

Every example is drawn from a fixed seed. Those marked slow draw fifty times as many.

The bounds are measured, not wished for. A JSON text of empty objects, `{},{},…`, is 3 bytes for each object of 64 and
its place of 8 in the list: 28 times its size in memory, whoever parses it. pydantic makes a kilobyte of each value that
is wrong before it reports one. That is why headers and manifests are counted before they are parsed.
"""

from __future__ import annotations

import gc
import json
import math
import os
import random
import re
import string
import struct
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from zoo.errors import FileError, IntegrityError, UsageError, ZooError
from zoo.files import parse_json, parse_toml, read_sealed, write_sealed
from zoo.store.local_source import FolderSource, PackageSource
from zoo.store.manifest import MANIFEST_LIMIT, Manifest, manifest_to_bytes, read_manifest
from zoo.store.registry_file import read_registry
from zoo.store.safetensors_header import HASHES, Header, parse_header
from zoo.store.source import check_file_name
from zoo.store.source_parsing import parse_source

FEW, MANY = 60, 3_000
HEADER_FACTOR, HEADER_MORE = 36, 100_000  # times the header's size, and bytes
MANIFEST_FACTOR, MANIFEST_MORE = 160, 200_000  # a small one, all of whose values are wrong
MANIFEST_LARGE_FACTOR, MANIFEST_LARGE_MORE = 10, 16_000_000  # a large one: 10,000 values, and long texts
HASH = "0" * 64

quietly = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
few, many = settings(quietly, max_examples=FEW), settings(quietly, max_examples=MANY)


# ------------------------------------------------------------------------------------------------ what is valid


def entry(start: int, end: int) -> dict[str, Any]:
    return {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}


def framed(said: Any) -> bytes:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<Q", len(raw)) + raw


VALID_HEADER = framed(
    {
        "__metadata__": {"format": "pt", HASHES: json.dumps({f"features.{n}.weight": HASH for n in range(6)})},
        **{f"features.{n}.weight": entry(n * 8, n * 8 + 8) for n in range(6)},
    }
)
SAID = {
    "format_version": 1,
    "library": "zoo",
    "name": "vgg16-plankton",
    "about": "Drawn plankton.",
    "license": "apache-2.0",
    "backbone": "torchvision/vgg16",
    "backbone_package": "filterzoo",
    "cut": {"name": "block4", "node": "features.22", "channels": 512, "stride": 8, "layout": "NCHW"},
    "input": {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 1.0]},
    "dtype": "float16",
    "heads": [
        {
            "name": "species",
            "plugin": "classify",
            "package": "filterzoo",
            "target_name": "label",
            "target": {"kind": "categories", "names": ["cod", "squid", "kräbbe"], "unit": ""},
            "options": {"dropout": 0.5, "hidden": 64, "pool": "mean", "more": [1, None, {"a": True}]},
            "weight": 1.0,
            "shape": {"channels": 512, "height": 8, "width": 8},
            "temperature": 1.5,
        }
    ],
    "lineage": {"base": "hf://owner/name", "base_manifest": f"sha256:{HASH}", "weights": "imagenet"},
    "header_sha256": HASH,
    "heads_header_sha256": HASH,
    "files": {name: {"size": 1, "sha256": HASH} for name in ("model.safetensors", "heads.safetensors", "a/b.png")},
    "created_with": {"torch": "2.15.0"},
}
VALID_MANIFEST = json.dumps(SAID).encode()
PIN = f'"sha256:{HASH}"'
VALID_REGISTRY = (
    'format = 1\n\n[filters.vgg16-plankton]\nsources  = ["hf://owner/name@v1", "./filters"]\n'
    f'manifest = {PIN}\nbackbone = "vgg16"\ncut      = "block4"\nabout    = "Drawn"\nlicense  = "mit"\n\n'
    f'[filters."a.b"]\nsources = ["package:zoo_filters/a"]\n'
).encode()


# ------------------------------------------------------------------------------------------------ what is drawn

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../../x", "\0", "\ud800", HASH, "F32", "U8", "1e999", 2**31, 2**63, -1, 0, "zoo", "x" * 2_000]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=20,
)


@st.composite
def mutated_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """Bits flipped, bytes replaced, parts cut out, doubled or moved, the end cut off."""
    raw = bytearray(valid)
    for _ in range(draw(st.integers(1, 6))):
        if not raw:
            break
        kind = draw(st.sampled_from(["flip", "byte", "cut", "double", "end", "number", "insert"]))
        at = draw(st.integers(0, len(raw) - 1))
        length = draw(st.integers(1, 40))
        if kind == "flip":
            raw[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte":
            raw[at] = draw(st.sampled_from(list(b'{}[],:"\\0-9e.\x00\xff\n#=')))
        elif kind == "cut":
            del raw[at : at + length]
        elif kind == "double":
            raw[at:at] = raw[at : at + length] * draw(st.integers(1, 20))
        elif kind == "end":
            del raw[at:]
        elif kind == "number":
            _swap_number(
                raw, at, draw(st.sampled_from([b"-1", b"1e999", b"NaN", b"9" * 30, b"9" * 5_000, b"0.5", b"00"]))
            )
        else:
            raw[at:at] = draw(
                st.sampled_from([b"[" * 3_000, b'{"a":' * 3_000, b"\xed\xa0\x80", b"\\ud800", b"/*", b"\x1b["])
            )
    return bytes(raw)


def _swap_number(raw: bytearray, at: int, by: bytes) -> None:
    found = re.compile(rb"\d+").search(raw, at)
    if found:
        raw[found.start() : found.end()] = by


@st.composite
def mutated_json(draw: st.DrawFn, valid: Any) -> bytes:
    """Valid JSON, some of whose values are others: the mutations that a parser of JSON lets through."""
    said = json.loads(json.dumps(valid))
    for _ in range(draw(st.integers(1, 4))):
        place = said
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or draw(st.booleans()):
                place[key] = draw(json_values)
                break
            place = place[key]
        if draw(st.integers(0, 3)) == 0 and isinstance(said, dict):
            said[draw(st.text(max_size=6))] = draw(json_values)
    return json.dumps(said, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


def headers() -> st.SearchStrategy[bytes]:
    said = json.loads(VALID_HEADER[8:])
    return (
        st.binary(max_size=300)
        | st.binary(max_size=300).map(framed)
        | mutated_bytes(VALID_HEADER)
        | mutated_bytes(VALID_HEADER[8:]).map(framed)
        | mutated_json(said).map(framed)
        | json_values.map(lambda value: framed(json.dumps(value).encode()))
    )


def manifests() -> st.SearchStrategy[bytes]:
    return (
        st.binary(max_size=300)
        | mutated_bytes(VALID_MANIFEST)
        | mutated_json(SAID)
        | json_values.map(lambda value: json.dumps(value).encode())
    )


toml_values = st.recursive(
    st.integers().map(str)
    | st.sampled_from(['"a"', "true", "1e999", "nan", "1979-13-45", "07:99:00", "9" * 5_000, PIN]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(inner, max_size=3).map(
            lambda parts: "{" + ", ".join(f"k{n} = {p}" for n, p in enumerate(parts)) + "}"
        )
    ),
    max_leaves=6,
)


@st.composite
def written_toml(draw: st.DrawFn) -> bytes:
    """TOML with the keys that registries have, and values that they have not."""
    lines = [f"format = {draw(toml_values | st.just('1'))}"] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(["a", "a-b", '"a.b"', '"../x"', '""', "a.b", '"\\u0000"', "x" * 200]))
        lines.append(f"[{draw(st.sampled_from(['filters', 'filter', 'filters.filters', '[filters']))}.{name}]")
        keys = draw(st.lists(st.sampled_from(["sources", "manifest", "about", "cut", "more"]), max_size=4))
        lines += [f"{key} = {draw(toml_values)}" for key in keys]
    return "\n".join(lines).encode()


def registries() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200) | mutated_bytes(VALID_REGISTRY) | written_toml()


def source_texts() -> st.SearchStrategy[str]:
    starts = ("", "hf://", "package:", "file:", "file://", "file:///", "~", "~root/", "/", "./", "../", "owner/name@")
    alphabet = st.sampled_from([*string.ascii_letters[:8], *"/@:.-_~%[]\\#?", "..", "%00", "\0", "é", "\ud800", " "])
    body = st.text(max_size=30) | st.lists(alphabet, max_size=20).map("".join)
    return st.tuples(st.sampled_from(starts), body, st.integers(1, 40)).map(lambda part: part[0] + part[1] * part[2])


# ------------------------------------------------------------------------------------------------ what must hold


def measured(work: Callable[[], object], *allowed: type[ZooError]) -> tuple[object, int]:
    """What it gives, None where it refuses with one line of text, and the most bytes that it held."""
    was_on = gc.isenabled()
    gc.disable()
    tracemalloc.start()
    try:
        result = work()
    except allowed as error:
        result = None
        text = str(error)
        assert "\n" not in text
        assert len(text) < 2_000
        text.encode()  # it can be printed
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if was_on:
            gc.enable()
    return result, peak


def check_header(raw: bytes, more: int = 48) -> None:
    header, peak = measured(lambda: parse_header(raw, len(raw) + more, "here"), IntegrityError)
    assert peak <= HEADER_FACTOR * len(raw) + HEADER_MORE
    if isinstance(header, Header):
        assert header.size <= len(raw)
        assert sum(one.end - one.start for one in header.tensors.values()) == header.file_size - header.size
        assert header.hashes.keys() <= header.tensors.keys()


def check_manifest(raw: bytes) -> None:
    manifest, peak = measured(lambda: read_manifest(raw, "here"), IntegrityError)
    assert peak <= MANIFEST_FACTOR * len(raw) + MANIFEST_MORE
    assert peak <= MANIFEST_LARGE_FACTOR * len(raw) + MANIFEST_LARGE_MORE
    if isinstance(manifest, Manifest):
        for name in manifest.files:
            check_file_name(name, "here")
        written = manifest_to_bytes(manifest)
        assert len(written) > MANIFEST_LIMIT or read_manifest(written, "here") == manifest


def check_registry(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registry.toml"
        path.write_bytes(raw)
        entries, _ = measured(lambda: read_registry(path), FileError)
    if isinstance(entries, dict):
        assert all(entry.sources and all(entry.sources) for entry in entries.values())


def check_source(text: str) -> None:
    source, _ = measured(lambda: parse_source(text), UsageError, IntegrityError)
    if isinstance(source, FolderSource | PackageSource):
        measured(lambda: source.local_path("config.json"), ZooError)


# ------------------------------------------------------------------------------------------------ the tests


@few
@given(headers())
def test_no_header_raises_anything_but_our_own_errors_or_takes_much_memory(raw: bytes) -> None:
    check_header(raw)


@few
@given(manifests())
def test_no_manifest_raises_anything_but_our_own_errors_or_takes_much_memory(raw: bytes) -> None:
    check_manifest(raw)


@few
@example(b"format = " + b"9" * 5_000)
@example(b'[filters]\n"a\\nb" = 1')
@given(registries())
def test_no_registry_raises_anything_but_our_own_errors(raw: bytes) -> None:
    check_registry(raw)


@few
@example("~nobody-of-that-name/x")
@example("file://[")
@example("file:///a%00b")
@example("é" * 200)
@example("file:" + "é" * 200)
@given(source_texts())
def test_no_text_of_a_source_raises_anything_but_our_own_errors(text: str) -> None:
    check_source(text)


@given(name=st.text(max_size=40) | source_texts())
@few
def test_a_name_that_is_let_through_stays_inside(name: str) -> None:
    if measured(lambda: check_file_name(name, "here"), IntegrityError)[0] is None:
        return
    folder = Path("/a/folder")
    assert (folder / name).resolve().is_relative_to(folder)
    assert (folder / name) != folder
    name.encode()


@pytest.mark.slow
@many
@given(headers())
def test_no_header_of_many(raw: bytes) -> None:
    check_header(raw)


@pytest.mark.slow
@many
@given(manifests())
def test_no_manifest_of_many(raw: bytes) -> None:
    check_manifest(raw)


@pytest.mark.slow
@many
@given(registries())
def test_no_registry_of_many(raw: bytes) -> None:
    check_registry(raw)


@pytest.mark.slow
@many
@given(source_texts())
def test_no_text_of_a_source_of_many(text: str) -> None:
    check_source(text)


# ------------------------------------------------------------------------------------------------ the worst


def filled(piece: bytes, size: int) -> bytes:
    return b"[" + piece * (size // len(piece)) + piece.rstrip(b",") + b"]"


PIECES = {
    "objects": b"{},",
    "objects of one": b'{"":0},',
    "lists": b"[],",
    "numbers": b"999,",
    "floats": b"0.1,",
    "texts": b'"ab",',
    "long texts": b'"' + "😀".encode() + b"x" * 3_000 + b'",',
}


@pytest.mark.parametrize("kind", PIECES)
def test_the_densest_headers_take_memory_in_proportion(kind: str) -> None:
    check_header(framed(b'{"a":' + filled(PIECES[kind], 300_000) + b"}"))


def test_a_header_of_very_many_tensors_takes_memory_in_proportion() -> None:
    names = range(4_000)
    check_header(framed({f"{n:x}": entry(n, n + 1) for n in names}), more=len(names))
    check_header(framed({"__metadata__": {f"{n:x}": "" for n in names}}), more=0)


MUTANTS = (  # of a reader each; those of a line share a process
    {"header": 32_000, "manifest": 27_000, "registry": 5_000, "cached_registry": 300},
    {"record": 6_000, "recipe": 1_000, "run": 1_500, "checkpoint": 3_000, "ablation": 1_500},
    {"parts": 8_000, "embeddings": 1_000, "decoded": 1_500, "shards": 7_000, "published": 1_000},
    {"image_folder": 500, "fisheries": 1_500, "drawn_sets": 3_000, "plankton": 700, "packages": 1_000, "caches": 3_000},
)


def read_mutants(counts: dict[str, int]) -> None:
    script = Path(__file__).with_name("fuzzing.py")
    asked = [f"{name}:0:{count}" for name, count in counts.items()]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run([sys.executable, script, *asked], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4_000:]}"


def test_every_reader_has_its_mutants() -> None:
    assert {name for counts in MUTANTS for name in counts} == set(fuzzing.READERS)


@pytest.mark.parametrize("counts", MUTANTS, ids=lambda counts: next(iter(counts)))
def test_some_mutants_of_every_file_are_read_or_refused_in_a_line(counts: dict[str, int]) -> None:
    read_mutants(dict.fromkeys(counts, 12))


@pytest.mark.slow
@pytest.mark.parametrize("counts", MUTANTS, ids=lambda counts: next(iter(counts)))
def test_a_hundred_thousand_mutants_of_all_files_are_read_or_refused_in_a_line(counts: dict[str, int]) -> None:
    read_mutants(counts)


READ_ELSEWHERE = re.compile(r"json\.loads?\((?!json\.dumps)|tomllib\.|np\.load\((?!part\.path)|pickle\.|torch\.load\(")


def test_json_and_toml_are_read_by_the_strict_reader_alone() -> None:
    root = Path(__file__).parent.parent
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in sorted([*root.glob("zoo/**/*.py"), *root.glob("plugins/*/zoo_*/**/*.py")])
        for line in path.read_text().splitlines()
        if READ_ELSEWHERE.search(line)
    ]
    kept = {  # of our own process; the reader itself
        "plugins/zoo-fisheries/zoo_fisheries/drawn/worker.py",
        "zoo/files.py",
        "zoo/models/checkpoint.py",  # in a remedy
    }
    assert [line for line in found if line.partition(":")[0] not in kept] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 65 + "]" * 65, "nested too deeply"),
        ("9" * 400, "a number in it is too large"),
        ("-" + "9" * 30, "a number in it is too large"),
        ("1e999", "1e999 stands in it"),
        ("NaN", "NaN stands in it"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ('"\\ud800"', "surrogates not allowed"),
        (b"\xff", "can't decode"),
        ("", "Expecting value"),
    ],
)
def test_json_that_would_only_fail_later_is_refused_where_it_is_read(text: str | bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_json(text)


@pytest.mark.parametrize(
    "text", ['"a\\udcff.png"', '"\\ud83d\\ude00"', str(2**63), "[" * 60 + "]" * 60, b"\xef\xbb\xbf{}"]
)
def test_json_as_it_may_be_is_read(text: str | bytes) -> None:
    parse_json(text)
    assert parse_json("[NaN, -Infinity]", finite=False)[1] == -math.inf


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, "a = " + "9" * 400, "a = " + "9" * 5_000, "a = ", "a." * 100 + "a = 1"]
)
def test_toml_that_would_only_fail_later_is_refused_where_it_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested|too large|limit|Invalid"):
        parse_toml(text)


def test_what_was_sealed_is_read_as_it_was_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    assert read_sealed(path) is None
    write_sealed(path, {"a": [1, float("inf")]})
    assert read_sealed(path) == {"a": [1, float("inf")]}
    for at in range(path.stat().st_size):
        raw = bytearray(path.read_bytes())
        raw[at] ^= 1
        (tmp_path / "other.json").write_bytes(raw)
        assert read_sealed(tmp_path / "other.json") is None


def manifest_with(place: str, filling: bytes) -> bytes:
    """The valid manifest with something else in one place."""
    said = json.loads(json.dumps(SAID))
    inner, steps = said, place.split(".")
    for step in steps[:-1]:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    inner[steps[-1]] = "@@"
    return json.dumps(said).replace('"@@"', "@@").encode().replace(b"@@", filling)


PLACES = [
    "heads",
    "files",
    "more",
    "heads.0.options",
    "heads.0.options.a",
    "heads.0.target.names",
    "input.mean",
    "about",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [25_000, MANIFEST_LIMIT - 8_000])
def test_the_densest_manifests_take_memory_in_proportion(place: str, size: int) -> None:
    for piece in PIECES.values():
        check_manifest(manifest_with(place, filled(piece, size)))
    keys = b"{" + b",".join(b'"%x":0' % n for n in range(size // 9)) + b"}"
    check_manifest(manifest_with(place, keys))


def test_a_manifest_of_20000_classes_is_read() -> None:
    names = [f"Genus species-{number}" for number in range(20_000)]
    raw = manifest_with("heads.0.target.names", json.dumps(names).encode())
    manifest, peak = measured(lambda: read_manifest(raw, "here"))
    assert isinstance(manifest, Manifest)
    assert peak < MANIFEST_LARGE_FACTOR * len(raw) + 1_000_000


def test_the_drawings_reach_what_is_valid_too() -> None:
    """Mutations that are always refused would prove little."""
    draws = random.Random(0)
    good = 0
    for _ in range(300):
        raw = bytearray(VALID_MANIFEST)
        raw[draws.randrange(len(raw))] = draws.choice(b"abcdefghijklmnopqrstuvwxyz0123456789")
        try:
            read_manifest(bytes(raw), "here")
        except IntegrityError:
            continue
        good += 1
    assert 10 < good < 290
