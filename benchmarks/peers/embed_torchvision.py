"""A picture's vector as torchvision's documentation has it: PICTURE CHECKPOINT OUT. See `benchmarks/embed_one.py`."""

import sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import VGG16_Weights, vgg16

picture, checkpoint, out = sys.argv[1:]
network = vgg16()
network.load_state_dict(load_file(checkpoint))
features = network.features[:16].eval()
transform = VGG16_Weights.IMAGENET1K_V1.transforms()
with torch.no_grad():
    batch = transform(Image.open(picture).convert("RGB")).unsqueeze(0)
    vector = features(batch).mean(dim=(2, 3))
np.save(out, vector.numpy())
