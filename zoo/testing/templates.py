"""A package of one's own to start from: every kind of plugin, with a README, a licence and a test that passes."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from zoo.errors import UsageError
from zoo.files import check_output, write_atomically
from zoo.plugins import GROUPS, own_range


def write_plugin(name: str, folder: Path, *, kind: str = "dataset") -> Path:
    """Write a small, working plugin package: a module, a test, pyproject.toml, README.md and LICENSE.

    Args:
        name: of the plugin, lower-case letters, digits and dashes.
        folder: must not exist.
        kind: one of `zoo.plugins.GROUPS`.

    Raises:
        UsageError: the name cannot be one.
        FileError: the folder is taken.
    """
    module, function = f"zoo_{name.replace('-', '_')}", f"run_{name.replace('-', '_')}"
    title = "".join(word.capitalize() for word in name.split("-"))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(title):
        raise UsageError(
            f"A plugin cannot be called {name!r}.", "Use lower-case letters, digits and dashes, such as whale-calls."
        )
    check_output(folder, overwrite=None, folder=True, argument="folder")
    target = {"command": f"{module}:{function}", "registry": module}.get(kind, f"{module}:{title}")
    words = {"name": name, "module": module, "title": title, "function": function, "core": own_range()}
    words |= {"kind": kind, "group": GROUPS[kind], "target": target}
    for file, template in (
        *(("pyproject.toml", "pyproject.toml"), ("README.md", "README.md"), ("LICENSE", "LICENSE")),
        *((f"{module}/__init__.py", f"{kind}.py"), (f"tests/test_{module}.py", f"test_{kind}.py")),
        *((f"{module}/registry.toml", "registry.toml"),) * (kind == "registry"),
    ):
        text = files("zoo.plugins").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
        write_atomically(folder / file, Template(text).substitute(words))
    return folder
