"""Submissions to competitions.

zoo predict RUN test/ --format kaggle-probabilities --set sample=sampleSubmission.csv -o submission.csv
"""

from zoo_kaggle.formats import KaggleLabels, KaggleProbabilities

__all__ = ["KaggleLabels", "KaggleProbabilities"]
