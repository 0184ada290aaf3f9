"""A folder of published filters, without a training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zoo.store.manifest import MODEL_FILE, manifest_to_bytes, read_manifest
from zoo.store.safetensors import write_tensors


def write_published(folder: Path, tensors: Mapping[str, torch.Tensor], **changes: Any) -> str:
    """Published filters with a head; gives back the manifest's hash. `changes` go into config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    model = write_tensors(folder / MODEL_FILE, tensors)
    heads = write_tensors(folder / "heads.safetensors", {"species.weight": torch.ones(2, 5)})
    (folder / "README.md").write_text("# Filters\n")
    head = {
        **{"name": "species", "plugin": "classify", "package": "filterzoo", "target_name": "label"},
        "target": {"kind": "categories", "names": ["cod", "squid"]},
        "shape": {"channels": 5, "height": 1, "width": 1},
    }
    said = {
        "format_version": 1,
        "library": "zoo",
        "name": "vgg16-minnows",
        "backbone": "torchvision/vgg16",
        "backbone_package": "filterzoo",
        "cut": {"name": "block4", "node": "features.22", "channels": 512, "stride": 8},
        "input": {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
        "heads": [head],
        "header_sha256": model.digest,
        "heads_header_sha256": heads.digest,
        "files": {
            name: {
                "size": (folder / name).stat().st_size,
                "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            }
            for name in (MODEL_FILE, "heads.safetensors", "README.md")
        },
    }
    said.update(changes)
    raw = manifest_to_bytes(read_manifest(json.dumps(said).encode(), "here"))
    (folder / "config.json").write_bytes(raw)
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
