"""timm's networks as backbones of zoo: `timm/resnet50`, `timm/vit_small_patch14_dinov2`."""
