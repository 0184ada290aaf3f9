"""What the benchmarks work on, made here: checkpoints, a photograph, published filters."""

from __future__ import annotations

from pathlib import Path

CLASSES = ("one", "other")


def write_checkpoints(folder: Path) -> dict[str, Path]:
    """A whole VGG16 with random weights, 553 MB, under torchvision's parameter names and under timm's.

    Returns:
        The files, `torchvision`, `timm`, and `timm_cut` with block3's tensors alone.
    """
    import timm
    import torch
    from safetensors.torch import save_file
    from torchvision.models import vgg16

    torch.manual_seed(0)
    files = {name: folder / f"{name}.safetensors" for name in ("torchvision", "timm", "timm_cut")}
    save_file(vgg16().state_dict(), files["torchvision"])
    save_file(timm.create_model("vgg16").state_dict(), files["timm"])
    save_file(timm.create_model("vgg16", features_only=True, out_indices=(2,)).state_dict(), files["timm_cut"])
    return files


def write_photograph(path: Path, *, width: int = 1280, height: int = 720, seed: int = 0) -> Path:
    """A JPEG with edges, gradients and grain, as much work to decode as a photograph."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    grain = rng.normal(0, 8, (height, width, 1)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def publish_block3(folder: Path, checkpoint: Path, *, size: int = 224) -> Path:
    """Filters up to block3 of a VGG16 checkpoint, published as anybody would: a short training, then `push`.

    Args:
        folder: where to work; the filters lie in `folder/filters` afterwards.
        checkpoint: the weights, under torchvision's names.
        size: the pictures' side in pixels.
    """
    import zoo

    for number, name in enumerate(CLASSES):
        for seed in range(4):
            write_photograph(folder / "pictures" / name / f"{seed}.jpg", width=320, height=240, seed=10 * number + seed)
    data = zoo.open_dataset("image-folder", folder / "pictures")
    model = zoo.assemble("vgg16", cut="block3", weights=str(checkpoint), dataset=data.dataset, size=size)
    run = zoo.train(model, data, out=folder / "run", device="cpu", retrain="none", head_epochs=1)
    return zoo.push(run, to=folder / "filters", license="apache-2.0", heads=False).folder
