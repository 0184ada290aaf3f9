"""The loop of PyTorch's documentation on torchvision's VGG16. Argument: a JSON object. See `benchmarks/finetune.py`.

`fast` adds bf16 autocast and channels_last; `memory` hands it decoded pictures, and their decoding is not counted.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.models import vgg16
from torchvision.transforms import v2

work = json.loads(sys.argv[1])
torch.manual_seed(work["seed"])
device = torch.device(work["device"])
size, epochs, fast = work["size"], work["epochs"], work["fast"]
normalise = [v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
decode = [v2.ToImage(), v2.Resize((size, size), antialias=True)]
flips = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]


class InMemory(Dataset):
    """Pictures decoded and resized beforehand, uint8."""

    def __init__(self, folder, transform):
        self.items = list(ImageFolder(folder, v2.Compose(decode), allow_empty=True))
        self.transform = transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        image, label = self.items[index]
        return self.transform(image), label


def open_split(split, views):
    folder = Path(work["tree"]) / split
    if work["memory"]:
        return InMemory(folder, v2.Compose(views + normalise))
    return ImageFolder(folder, v2.Compose(decode + views + normalise), allow_empty=True)


def loader(dataset, *, shuffle):
    return DataLoader(
        dataset,
        batch_size=work["batch"],
        shuffle=shuffle,
        num_workers=os.cpu_count(),
        persistent_workers=True,
        pin_memory=device.type == "cuda",
        drop_last=False,
    )


def build(classes):
    whole = vgg16()
    whole.load_state_dict(load_file(work["weights"]), strict=False)
    features = whole.features[: work["last"] + 1]
    for parameter in features[: work["frozen"] + 1].parameters():
        parameter.requires_grad = False
    return nn.Sequential(
        features,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.BatchNorm1d(work["channels"], affine=False),  # our head standardises too
        nn.Linear(work["channels"], classes),
    )


def placed(images, labels):
    images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
    return (images.to(memory_format=torch.channels_last) if fast else images), labels


def factor(step, steps):
    warm = max(1, round(steps * 0.1))
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1, (step - warm) / max(1, steps - warm))))


def accuracy(model, batches):
    model.eval()
    right = count = 0
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=fast):
        for images, labels in batches:
            images, labels = placed(images, labels)
            right += (model(images).argmax(1) == labels).sum().item()
            count += len(labels)
    return right / count


splits = [("train", flips), ("val", []), ("test", [])]
if work["memory"]:
    datasets = {split: open_split(split, views) for split, views in splits}
begun = time.perf_counter()
if not work["memory"]:
    datasets = {split: open_split(split, views) for split, views in splits}
loaders = {split: loader(dataset, shuffle=split == "train") for split, dataset in datasets.items()}
model = build(work["classes"]).to(device)
if fast:
    model = model.to(memory_format=torch.channels_last)
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(
    [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": 0.05},
        {"params": [parameter for parameter in trained if parameter.ndim == 1], "weight_decay": 0.0},
    ],
    lr=work["rate"],
)
steps = epochs * len(loaders["train"])
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step, steps))
training = 0.0
for _epoch in range(epochs):
    started = time.perf_counter()
    model.train()
    for images, labels in loaders["train"]:
        images, labels = placed(images, labels)
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        scheduler.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    training += time.perf_counter() - started
    accuracy(model, loaders["val"])
right = accuracy(model, loaders["test"])
whole = time.perf_counter() - begun
told = {
    "whole": whole,
    "fit": whole,
    "training": training,
    "rate": epochs * len(datasets["train"]) / training,
    "accuracy": right,
    "threads": torch.get_num_threads(),
}
print(json.dumps(told))
