"""Drawn sets: which pictures they have, and how they come onto the disk."""
