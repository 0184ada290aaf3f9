"""The same by timm, from block3's tensors alone: PICTURE CHECKPOINT OUT. See `benchmarks/embed_one.py`."""

import sys

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

picture, checkpoint, out = sys.argv[1:]
network = timm.create_model("vgg16.tv_in1k", features_only=True, out_indices=(2,))
network.load_state_dict(load_file(checkpoint))
network.eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
with torch.no_grad():
    (features,) = network(transform(Image.open(picture).convert("RGB")).unsqueeze(0))
np.save(out, features.mean(dim=(2, 3)).numpy())
