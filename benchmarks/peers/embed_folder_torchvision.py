"""A folder's vectors as torchvision's documentation has it: FOLDER CHECKPOINT OUT SIDE. See `benchmarks/embed.py`."""

import json
import os
import sys
import time

import numpy as np
import torch
from meter import resident
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import vgg16
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import v2

folder, checkpoint, out, side = sys.argv[1:]
network = vgg16()
network.load_state_dict(load_file(checkpoint))
extractor = create_feature_extractor(network.eval(), {"features.15": "block3"})
transform = v2.Compose(
    [
        v2.PILToTensor(),
        v2.Resize((int(side), int(side)), antialias=True),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)
dataset = ImageFolder(folder, transform)
loader = DataLoader(dataset, batch_size=32, num_workers=os.cpu_count() or 1)
begun, before = time.perf_counter(), sum(os.times()[:4])
vectors = []
with torch.no_grad():
    for images, _ in loader:
        vectors.append(extractor(images)["block3"].mean(dim=(2, 3)))
np.save(out, torch.cat(vectors).numpy())
taken, used = time.perf_counter() - begun, sum(os.times()[:4]) - before
print(json.dumps({"seconds": taken, "processor": used, "pictures": len(dataset), "peak": resident("VmHWM")}))
