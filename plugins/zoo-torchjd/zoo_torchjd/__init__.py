"""Steps that harm none of several heads."""

from zoo_torchjd.upgrad import UPGrad

__all__ = ["UPGrad"]
