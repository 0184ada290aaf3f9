"""The command line: a file for each family of commands; the only package that prints and exits."""
