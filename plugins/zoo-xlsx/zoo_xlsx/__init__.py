"""Predictions as a workbook: `zoo predict RUN photos/ -o answers.xlsx`."""

from zoo_xlsx.format import Xlsx

__all__ = ["Xlsx"]
