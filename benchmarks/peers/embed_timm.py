"""A picture's vector as timm's documentation has it: PICTURE CHECKPOINT OUT. See `benchmarks/embed_one.py`."""

import sys

import numpy as np
import timm
import torch
from PIL import Image

picture, checkpoint, out = sys.argv[1:]
network = timm.create_model(
    "vgg16.tv_in1k",
    features_only=True,
    out_indices=(2,),
    pretrained=True,
    pretrained_cfg_overlay={"file": checkpoint},
).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
with torch.no_grad():
    (features,) = network(transform(Image.open(picture).convert("RGB")).unsqueeze(0))
np.save(out, features.mean(dim=(2, 3)).numpy())
