"""A folder's vectors as timm's documentation has it: FOLDER CHECKPOINT OUT SIDE. See `benchmarks/embed.py`."""

import json
import os
import sys
import time

import numpy as np
import timm
import torch
from meter import resident
from torch.utils.data import DataLoader

folder, checkpoint, out, side = sys.argv[1:]
size = (3, int(side), int(side))
network = timm.create_model(
    "vgg16.tv_in1k",
    features_only=True,
    out_indices=(2,),
    pretrained=True,
    pretrained_cfg_overlay={"file": checkpoint},
).eval()
config = timm.data.resolve_data_config({"input_size": size, "crop_mode": "squash", "crop_pct": 1}, model=network)
transform = timm.data.create_transform(**config, is_training=False)
dataset = timm.data.ImageDataset(folder, transform=transform)
loader = DataLoader(dataset, batch_size=32, num_workers=os.cpu_count() or 1)
begun, before = time.perf_counter(), sum(os.times()[:4])
vectors = []
with torch.no_grad():
    for images, _ in loader:
        (features,) = network(images)
        vectors.append(features.mean(dim=(2, 3)))
np.save(out, torch.cat(vectors).numpy())
taken, used = time.perf_counter() - begun, sum(os.times()[:4]) - before
print(json.dumps({"seconds": taken, "processor": used, "pictures": len(dataset), "peak": resident("VmHWM")}))
