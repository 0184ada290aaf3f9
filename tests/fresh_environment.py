"""A virtual environment of a test's own, to install packages into."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
from pathlib import Path


class Environment:
    """A fresh virtual environment without packages of its own."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "env", with_pip=False)
        self.folder, self.python = folder, folder / "env" / "bin" / "python"
        self.site = next((folder / "env" / "lib").glob("python*/site-packages"))

    def share_ours(self) -> None:
        """Let it see the packages of the environment that the tests run in, editable ones included."""
        lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        (self.site / "shared.pth").write_text("\n".join(lines) + "\n")

    def share_others(self) -> None:
        """Let it see all packages of that environment but zoo and its plugins."""
        for place in (Path(path) for path in sys.path if path.endswith("site-packages")):
            for path in place.iterdir():
                ours = path.name.startswith(("zoo", "filterzoo")) or path.suffix == ".pth"
                if not ours and not (self.site / path.name).exists():
                    (self.site / path.name).symlink_to(path)

    def run(self, *words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        """`python …` in the folder; fails where the exit status is another."""
        done = subprocess.run(
            [self.python, *map(str, words)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PIP_CONFIG_FILE")},
            check=False,
        )
        assert done.returncode == status, (words, done.returncode, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def zoo(self, *words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "zoo", *words, status=status)

    def pip(self, *words: object) -> None:
        self.run("-m", "pip", "--disable-pip-version-check", "-q", *words)
