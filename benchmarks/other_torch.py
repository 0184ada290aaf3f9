"""Push, fetch, and the same logits on another version of torch.

    make test-oldest                # makes .venv-oldest, with the oldest torch that pyproject.toml allows
    python benchmarks/other_torch.py --other .venv-oldest/bin/python --json docs/other-torch.json

A run on real digits that starts from vgg16-imagenet is trained here and pushed to the tests' Hub
(`tests/hub_server.py`). Two fresh processes with empty caches, one of this Python and one of the other, fetch it by its
repository's name and compute features and logits of the same pictures, in float32 on the CPU. It fails
where a manifest or a weight differs by a bit, a picture is named otherwise, or a logit differs by more than 1e-4 of the
largest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zoo
from zoo.store import open_artifact

ROOT = Path(__file__).parent.parent
REPO, SIZE, PICTURES, MOST = "tester/vgg16-digits", 32, 360, 1e-4


def main() -> None:
    """Both ends: what asks, and, with `--answer`, what is asked in a fresh process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--other", type=Path, help="the other environment's Python")
    parser.add_argument("--answer", nargs=2, type=Path, metavar=("PICTURES", "OUT"), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.answer:
        answer(*asked.answer)
        return
    if asked.other is None:
        parser.error("say --other PYTHON")
    with tempfile.TemporaryDirectory() as folder:
        told = compare(asked.other.absolute(), Path(folder))
    print(json.dumps(told, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    if not (told["same manifest"] and told["same weights"] and told["same names"] and told["logits"]["share"] <= MOST):
        raise SystemExit("They are not the same.")


def compare(other: Path, folder: Path) -> dict[str, Any]:
    """Train, push, fetch and compute twice, and the differences."""
    sys.path.insert(0, str(ROOT / "tests"))
    from hub_server import HubServer

    os.environ.update(ZOO_HOME=str(folder / "home"), HF_HOME=str(folder / "hf"))
    digits = zoo.open_dataset("digits")
    filters = zoo.load("vgg16-imagenet", cut="block3")
    model = zoo.assemble(filters, dataset=digits.dataset, size=SIZE)
    run = zoo.train(model, digits, out=folder / "run", device="cpu", head_epochs=5, epochs=1, retrain="block3")
    decoded = digits.decode(SIZE)
    rows = digits.split(decoded, seed=0).test[:PICTURES]
    np.save(folder / "pictures.npy", decoded.images[rows].numpy())
    token = "hf_" + "x" * 34  # not a real one
    with HubServer(folder / "hub", token=token) as hub:
        os.environ.update(HF_ENDPOINT=hub.url, HF_TOKEN=token)
        zoo.push(run, repo=REPO, license="cc-by-4.0", pictures="none")
        mine, theirs = (
            ask(python, folder, name) for name, python in (("mine", Path(sys.executable)), ("theirs", other))
        )
    right = decoded.targets["label"][rows].numpy()
    found = [one["logits"].argmax(axis=1) for one in (mine, theirs)]
    return {
        "torch": [str(one["torch"]) for one in (mine, theirs)],
        "pictures": len(right),
        "same manifest": bool(mine["manifest"] == theirs["manifest"]),
        "same weights": bool(mine["weights"] == theirs["weights"]),
        "same names": bool((found[0] == found[1]).all()),
        "accuracy": [float((one == right).mean()) for one in found],
        **{name: difference(mine[name], theirs[name]) for name in ("features", "logits")},
    }


def difference(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """How many numbers are equal to the bit, and the largest difference."""
    largest = float(np.abs(one - other).max())
    scale = float(np.abs(one).max())
    return {"equal": float((one == other).mean()), "largest": largest, "scale": scale, "share": largest / scale}


def ask(python: Path, folder: Path, name: str) -> dict[str, np.ndarray]:
    """Fetch and compute in a fresh process with empty caches."""
    out = folder / f"{name}.npz"
    env = os.environ | {
        "ZOO_HOME": str(folder / name),
        "HF_HOME": str(folder / f"{name}-hf"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [str(python), __file__, "--answer", str(folder / "pictures.npy"), str(out)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python} failed:\n{done.stderr}")
    with np.load(out) as opened:
        return dict(opened)


@torch.inference_mode()
def answer(pictures: Path, out: Path) -> None:
    """What the fetched model makes of the pictures, and what was fetched."""
    published = open_artifact(REPO)
    model = zoo.load_model(REPO).float().eval()
    images = torch.from_numpy(np.load(pictures))
    logits = torch.cat([model(part)["classify"] for part in images.split(60)])
    features = torch.cat([model.filters(part).mean((2, 3)) for part in images.split(60)])
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    np.savez(
        out,
        torch=torch.__version__,
        manifest=published.digest,
        weights=digest.hexdigest(),
        logits=logits.numpy(),
        features=features.numpy(),
    )


if __name__ == "__main__":
    main()
