"""A head that predicts a number of a picture: a length, a volume, a count."""

from zoo_number.number import NumberHead

__all__ = ["NumberHead"]
