"""config.json: read strictly, written canonically."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from zoo.errors import IntegrityError
from zoo.store.manifest import MANIFEST_LIMIT, Manifest, manifest_to_bytes, read_manifest

HASH = "a" * 64


def said(**changes: Any) -> dict[str, Any]:
    head = {
        "name": "species",
        "plugin": "classify",
        "package": "filterzoo",
        "target_name": "label",
        "target": {"kind": "categories", "names": ["cod", "squid"]},
        "options": {"dropout": 0.5},
        "shape": {"channels": 512, "height": 8, "width": 8},
    }
    return {
        "format_version": 1,
        "library": "zoo",
        "name": "vgg16-plankton",
        "backbone": "torchvision/vgg16",
        "backbone_package": "filterzoo",
        "cut": {"name": "block4", "node": "features.22", "channels": 512, "stride": 8},
        "input": {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 1]},
        "heads": [head],
        "header_sha256": HASH,
        "heads_header_sha256": HASH,
        "files": {name: {"size": 1, "sha256": HASH} for name in ("model.safetensors", "heads.safetensors", "a/b.png")},
        "created_with": {"torch": "2.15.0"},
        **changes,
    }


def read(**changes: Any) -> Manifest:
    return read_manifest(json.dumps(said(**changes)).encode(), "here")


def refused(raw: bytes | None = None, **changes: Any) -> str:
    with pytest.raises(IntegrityError) as caught:
        read_manifest(json.dumps(said(**changes)).encode() if raw is None else raw, "here")
    assert str(caught.value).startswith("here: config.json ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_manifest_is_read_with_its_types() -> None:
    manifest = read()
    assert manifest.cut.stride == 8
    assert manifest.cut.layout == "NCHW"
    assert manifest.input.std == (0.2, 0.2, 1.0)
    assert manifest.heads[0].target.names == ("cod", "squid")
    assert manifest.heads[0].temperature is None
    assert manifest.files["model.safetensors"].size == 1
    assert manifest.lineage.weights == "random"


def test_a_manifest_is_written_and_read_back_the_same() -> None:
    manifest = read()
    raw = manifest_to_bytes(manifest)
    assert raw.endswith(b"}\n")
    assert read_manifest(raw, "here") == manifest
    assert manifest_to_bytes(read_manifest(raw, "here")) == raw


def test_the_order_of_files_does_not_change_the_bytes() -> None:
    files = said()["files"]
    assert manifest_to_bytes(read(files=dict(reversed(files.items())))) == manifest_to_bytes(read())


def test_a_newer_format_says_to_upgrade() -> None:
    assert "pip install --upgrade filterzoo" in refused(format_version=3, anything="new")


def test_another_librarys_config_is_recognised() -> None:
    assert "not of filters that zoo has published" in refused(b'{"architectures": ["VGG"]}')


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b"nul"])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    assert "is no JSON" in refused(raw)


def test_a_manifest_that_is_too_large_is_refused() -> None:
    assert "are allowed" in refused(b" " * (MANIFEST_LIMIT + 1))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"more": 1}, "more: Extra inputs"),
        ({"name": 5}, "name: "),
        ({"backbone": ""}, "backbone: "),
        ({"header_sha256": "A" * 64}, "header_sha256: "),
        ({"header_sha256": HASH + "\n"}, "header_sha256: "),
        ({"dtype": "int4"}, "dtype: "),
        ({"input": {"size": 0, "mean": [0, 0, 0], "std": [1, 1, 1]}}, "input.size: "),
        ({"input": {"size": 10**9, "mean": [0, 0, 0], "std": [1, 1, 1]}}, "input.size: "),
        ({"input": {"size": 64, "mean": [0, 0, 0], "std": [1, 1, 0]}}, "input.std.2: "),
        ({"input": {"size": 64, "mean": [0, 0], "std": [1, 1, 1]}}, "input.mean"),
        ({"input": {"size": "64", "mean": [0, 0, 0], "std": [1, 1, 1]}}, "input.size: "),
        ({"cut": {"name": "b", "node": "n", "channels": 1, "stride": 0}}, "cut.stride: "),
        ({"lineage": {"base_manifest": HASH}}, "lineage.base_manifest: "),
        ({"files": {}}, "files does not name model.safetensors"),
        ({"files": {"model.safetensors": {"size": -1, "sha256": HASH}}}, "files.model.safetensors.size: "),
        ({"heads": []}, "come together or not at all"),
        ({"heads": [said()["heads"][0]] * 2}, "two heads have one name"),
        ({"format_version": 0}, "format_version: "),
        ({"format_version": True}, "format_version: "),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    assert field in refused(**changes)


def test_a_missing_field_is_named() -> None:
    raw = said()
    del raw["cut"]
    assert "cut: Field required" in refused(json.dumps(raw).encode())


def test_a_number_that_is_none_is_refused() -> None:
    refused(json.dumps(said()).replace("0.5, 0.5", "NaN, 0.5").encode())


@pytest.mark.parametrize("kind", ["categories", "multilabel"])
def test_classes_need_names(kind: str) -> None:
    head = {**said()["heads"][0], "target": {"kind": kind}}
    assert "heads.0.target: a target of the kind" in refused(heads=[head])


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a\\b", "a/../../b", "", "config.json"])
def test_a_file_outside_the_folder_is_refused(name: str) -> None:
    files = {**said()["files"], name: {"size": 1, "sha256": HASH}}
    assert "path inside it" in refused(files=files) if name != "config.json" else "itself" in refused(files=files)


def test_all_wrong_fields_are_said_at_once() -> None:
    message = refused(name=5, dtype="int4", more=1)
    assert all(part in message for part in ("name: ", "dtype: ", "more: "))


def test_a_manifest_is_read_without_torch() -> None:
    code = "import sys, zoo.store.manifest, zoo.store.artifact; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
