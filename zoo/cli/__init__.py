"""The command line: one file a verb family; the only place that prints and exits."""
