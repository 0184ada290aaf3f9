"""Text -> a start: the weights of any checkpoint in safetensors form, as far as a truncated backbone needs them.

a tag of the backbone's     imagenet
a file                      weights/vgg16.safetensors
a folder, a package         ./filters, package:zoo_filters/vgg16-plankton
the Hub                     hf://owner/name[@revision], hf://owner/name[@revision]/folder/file.safetensors

Headers are read first: names and shapes are compared before a tensor is. A folder or repository means its
`model.safetensors`, else the shards of its index, else its only safetensors file.
"""

from __future__ import annotations

from zoo.starts.checkpoint import Checkpoint, open_checkpoint
from zoo.starts.fitting import Start, read_start

__all__ = ["Checkpoint", "Start", "open_checkpoint", "read_start"]
