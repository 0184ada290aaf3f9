"""The command line: a module for each family of commands.

The only package that prints, exits and knows flags.
"""
