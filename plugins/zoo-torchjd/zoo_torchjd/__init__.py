"""A balancer whose steps increase no head's loss, to first order."""

from zoo_torchjd.upgrad import UPGrad

__all__ = ["UPGrad"]
