"""Picture files of every kind, read as uint8 RGB."""

from __future__ import annotations

import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import CommandLine
from PIL import Image, features

from zoo.data.image_files import find_images
from zoo.data.image_sources import open_images
from zoo.data.images import read_image, resize
from zoo.errors import FileError, UsageError, ZooWarning

RED = (220, 30, 40)


def _save(folder: Path, name: str, picture: Image.Image, **options: object) -> Path:
    path = folder / name
    picture.save(path, **options)
    return path


def _halves(left: object, right: object, mode: str = "RGB") -> Image.Image:
    """A picture 40 wide, 20 high, of two colours."""
    picture = Image.new(mode, (40, 20), left)
    picture.paste(right, (20, 0, 40, 20))
    return picture


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp", "gif", "ppm"])
def test_every_format_gives_the_same_colours(tmp_path: Path, suffix: str) -> None:
    if suffix == "webp" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    image = read_image(_save(tmp_path, f"x.{suffix}", _halves(RED, (10, 200, 90))))
    assert image.dtype == torch.uint8
    assert image.shape == (3, 20, 40)
    assert (image[:, 10, 5].int() - torch.tensor(RED)).abs().max() <= 6
    assert (image[:, 10, 35].int() - torch.tensor((10, 200, 90))).abs().max() <= 6


@pytest.mark.parametrize(
    ("mode", "left", "expected"),
    [
        ("L", 90, (90, 90, 90)),
        ("1", 1, (255, 255, 255)),
        ("LA", (90, 255), (90, 90, 90)),
        ("LA", (90, 0), (255, 255, 255)),
        ("RGBA", (*RED, 255), RED),
        ("RGBA", (*RED, 0), (255, 255, 255)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 25700, (100, 100, 100)),
    ],
)
def test_every_mode_becomes_rgb(
    tmp_path: Path, mode: str, left: int | tuple[int, ...], expected: tuple[int, ...]
) -> None:
    picture = Image.new(mode, (40, 20), left)
    assert tuple(read_image(_save(tmp_path, "x.png", picture))[:, 10, 5].tolist()) == expected


def test_a_palette_keeps_its_colours(tmp_path: Path) -> None:
    image = read_image(_save(tmp_path, "x.png", _halves(RED, (10, 200, 90)).quantize(4)))
    assert tuple(image[:, 10, 5].tolist()) == RED


def test_a_transparent_palette_lies_over_white(tmp_path: Path) -> None:
    picture = _halves(RED, (10, 200, 90)).quantize(4)
    image = read_image(_save(tmp_path, "x.png", picture, transparency=picture.getpixel((5, 10))))
    assert tuple(image[:, 10, 5].tolist()) == (255, 255, 255)
    assert tuple(image[:, 10, 35].tolist()) == (10, 200, 90)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    image = read_image(_save(tmp_path, f"x.{suffix}", _halves(RED, (10, 200, 90)).convert("CMYK")))
    assert (image[:, 10, 5].int() - torch.tensor(RED)).abs().max() <= 10


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path) -> None:
    image = read_image(_save(tmp_path, "x.png", Image.new("RGBA", (8, 8), (0, 0, 0, 128))))
    assert image[:, 4, 4].tolist() == [127, 127, 127]


def test_sixteen_bits_are_scaled_to_eight_and_keep_their_order(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(8, axis=0)
    image = read_image(_save(tmp_path, "x.png", Image.fromarray(ramp)))
    assert (image[0, 0].int() - torch.from_numpy(ramp[0].astype(np.int32)) / 257).abs().max() <= 1


@pytest.mark.parametrize(("top", "expected"), [(1.0, 128), (255.0, 128), (65535.0, 128)])
def test_floats_are_read_on_the_scale_that_they_fill(tmp_path: Path, top: float, expected: int) -> None:
    pixels = np.full((8, 8), top / 2, dtype=np.float32)
    pixels[0] = top
    image = read_image(_save(tmp_path, "x.tif", Image.fromarray(pixels)))
    assert image[:, 4, 4].tolist() == [expected] * 3
    assert image[:, 0, 0].tolist() == [255] * 3


def test_floats_that_are_no_numbers_become_black(tmp_path: Path) -> None:
    pixels = np.full((8, 8), 0.5, dtype=np.float32)
    pixels[4, 4], pixels[5, 5] = np.nan, np.inf
    image = read_image(_save(tmp_path, "x.tif", Image.fromarray(pixels)))
    assert image[0, 4, 4] == image[0, 5, 5] == 0
    assert image[0, 0, 0] == 128


@pytest.mark.parametrize(
    ("orientation", "where_red_is"),
    [(1, "left"), (2, "right"), (3, "right"), (4, "left"), (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")],
)
def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, orientation: int, where_red_is: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_image(_save(tmp_path, "x.png", _halves(RED, (10, 200, 90)), exif=exif))
    _, height, width = image.shape
    row, column = {
        "left": (height // 2, 2),
        "right": (height // 2, width - 3),
        "top": (2, width // 2),
        "bottom": (height - 3, width // 2),
    }[where_red_is]
    assert tuple(image[:, row, column].tolist()) == RED


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_does_not_cost_the_picture(tmp_path: Path) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x01\x0e\0\x02\xff\xff\xff\xff\xff\xff"
    assert read_image(_save(tmp_path, "x.jpg", _halves(RED, (10, 200, 90)), exif=exif)).shape[0] == 3


@pytest.mark.parametrize("smallest", [1, 64, 100, 128, 224, 500])
def test_a_jpeg_that_is_drafted_keeps_its_smaller_side_at_or_above_the_limit(tmp_path: Path, smallest: int) -> None:
    path = _save(tmp_path, "x.jpg", Image.new("RGB", (1600, 900), RED))
    _, height, width = read_image(path, smallest=smallest).shape
    assert smallest <= height <= 900
    assert abs(width / height - 1600 / 900) < 0.03


def test_a_large_jpeg_is_drafted_to_an_eighth(tmp_path: Path) -> None:
    path = _save(tmp_path, "x.jpg", Image.new("RGB", (1600, 800), RED))
    assert read_image(path, smallest=100).shape == (3, 100, 200)


def test_a_jpeg_smaller_than_the_limit_is_left_alone(tmp_path: Path) -> None:
    path = _save(tmp_path, "x.jpg", Image.new("RGB", (60, 50), RED))
    assert read_image(path, smallest=224).shape == (3, 50, 60)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp", "gif"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"x.{suffix}").touch()
    with pytest.raises(FileError, match=rf"x\.{suffix}: the file is empty\. Replace or remove it"):
        read_image(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp", "gif"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_an_error_that_names_it_once(tmp_path: Path, suffix: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    path = _save(tmp_path, f"x.{suffix}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(FileError, match="not a readable picture") as caught:
        read_image(path)
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_never_raise_anything_but_file_error(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    for suffix in ("jpg", "png", "tif", "bmp", "gif"):
        path = _save(tmp_path, f"x.{suffix}", Image.fromarray(noise))
        whole = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for place in random.integers(0, min(len(whole), 200), 3):
                damaged[place] = random.integers(0, 256)
            path.write_bytes(damaged)
            try:
                read_image(path)
            except FileError:
                pass


def test_text_called_a_picture_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("a letter")
    with pytest.raises(FileError, match=r"not a readable picture \(cannot identify image file\)"):
        read_image(tmp_path / "x.jpg")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no such file\. Check the path\."):
        read_image(tmp_path / "x.jpg")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "x.pgm").write_bytes(b"P5 30000 30000 255\n")
    message = (
        r"30000 x 30000 pixels are more than the 178,956,970 that .* Make it smaller, or .* ZOO_MAX_PIXELS=900000000"
    )
    with pytest.raises(FileError, match=message):
        read_image(tmp_path / "x.pgm")


def _write_png(path: Path, side: int) -> None:
    """An RGB picture of one colour, in little memory."""
    row = b"\0" + bytes(RED) * side
    packer = zlib.compressobj(1)
    rows = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    head = side.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    parts = [(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")]
    chunks = [len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a PNG and a JPEG of 13,000 x 13,000 pixels."""
    folder = tmp_path_factory.mktemp("huge")
    _write_png(folder / "x.png", 13_000)
    Image.new("RGB", (13_000, 13_000), RED).save(folder / "x.jpg")
    return folder


@pytest.mark.parametrize(
    ("name", "smallest", "most"),
    [
        ("x.png", 224, 800),
        ("x.jpg", 224, 200),
        pytest.param("x.png", None, 1400, marks=pytest.mark.slow),
        pytest.param("x.jpg", None, 1400, marks=pytest.mark.slow),
    ],
)
def test_the_memory_of_169_megapixels_is_bounded(huge: Path, name: str, smallest: int | None, most: int) -> None:
    """Pillow holds 4 bytes a pixel, which is 676 MB, and the answer in full 3 more. No warning of Pillow's is shown."""
    code = (
        "import resource, sys; from zoo.data.images import read_image, resize\n"
        "unit = 2**20 if sys.platform == 'darwin' else 2**10\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit\n"
        "before = peak()\n"
        f"small = resize(read_image({str(huge / name)!r}, smallest={smallest}), 64)\n"
        "print(peak() - before, *small[:, 32, 32].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    megabytes, *colour = map(int, done.stdout.split())
    assert megabytes < most
    assert max(abs(one - other) for one, other in zip(colour, RED, strict=True)) <= 1
    assert done.stderr == ""


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "I;16", "F", "RGBA", "CMYK"])
def test_a_picture_that_is_read_by_strips_is_what_it_is_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    random = np.random.default_rng(2)
    deep = {"I;16": np.uint16, "F": np.float32}.get(mode)
    pixels = random.integers(0, 255, (90, 61) if deep else (90, 61, 3)).astype(deep or np.uint8)
    path = tmp_path / "x.tif"
    (Image.fromarray(pixels) if deep else Image.fromarray(pixels).convert(mode)).save(path)
    whole = read_image(path)
    monkeypatch.setattr("zoo.data.images.STRIP", 61 * 7)
    assert torch.equal(read_image(path), whole)
    monkeypatch.setattr("zoo.data.images.LARGE", 100)
    small = read_image(path, smallest=20)
    assert small.shape == (3, 30, 21)  # a third
    mean = whole[:, 30:33, 30:33].float().mean(dim=(1, 2))
    assert (small[:, 10, 10].float() - mean).abs().max() <= 1.5


def test_a_turned_picture_is_turned_when_it_is_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _save(tmp_path, "x.png", _halves(RED, (10, 200, 90)), exif=exif)
    monkeypatch.setattr("zoo.data.images.LARGE", 100)
    assert read_image(path, smallest=10)[:, 2, 4].tolist() == list(RED)


def test_the_limit_reaches_every_command_that_reads_pictures(
    shapes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_MAX_PIXELS", "1000")
    command = CommandLine(monkeypatch, capsys)
    for words in (
        ("embed", shapes, "--filters", "vgg16-plankton", "--cut", "block1"),
        ("train", "image-folder", "--data", shapes, "--backbone", "vgg11", "--cut", "block1", "--weights", "random"),
        ("show", "vgg16-plankton", "--cut", "block1", "--images", shapes, "-o", "shown"),
        ("data", "check", "image-folder", "--data", shapes),
    ):
        answer = command(*words)
        assert answer.status == 1
        assert "pixels are more than the 1,000 that are allowed" in answer.out + answer.err


def test_a_limit_that_is_no_number_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_MAX_PIXELS", "many")
    with pytest.raises(UsageError, match=r"ZOO_MAX_PIXELS=many is no number of pixels\."):
        read_image(_save(tmp_path, "x.png", Image.new("L", (4, 4))))


# ------------------------------------------------------------------------------------------------ what is not read


@pytest.mark.parametrize("name", ["x.heic", "x.HIF", "called.jpg"])
def test_heic_is_read_and_nothing_is_registered_for_others(tmp_path: Path, name: str) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(_halves(RED, (10, 200, 90))).save(tmp_path / name)
    image = read_image(next(find_images(tmp_path)), smallest=8)
    assert image.shape == (3, 20, 40)
    assert (image[:, 10, 5].int() - torch.tensor(RED)).abs().max() <= 6
    assert "HEIF" not in Image.OPEN


def test_without_the_extra_heic_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # type: ignore[arg-type]  # not to be imported
    install = r"run `pip install 'filterzoo\[heic\]'`"
    with pytest.warns(ZooWarning, match=rf"1 file was left out: 1 \.heic, e\.g\. .*x\.heic\. .*{install}"):
        assert list(find_images(tmp_path)) == []
    with pytest.raises(FileError, match=install):
        read_image(tmp_path / "x.heic")


@pytest.mark.parametrize("name", ["x.CR2", "x.dng", "x.NEF"])
def test_the_preview_in_a_raw_file_is_not_taken_for_the_picture(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / name, "TIFF")
    with pytest.raises(FileError, match=r"the raw data of a camera are not read\. Save .* as JPEG, PNG or TIFF\."):
        read_image(tmp_path / name)


def _folder_of_everything(folder: Path) -> Path:
    for name in [f"{kind}/{number}.png" for kind in "ab" for number in range(6)]:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (40, 40), RED).save(folder / name)
    for name in ("a/IMG_1.CR2", "a/IMG_2.cr2", "b/film.mov", "b/data"):
        (folder / name).touch()
    for quiet in (".DS_Store", "a/._1.png", "Thumbs.db", "labels.csv", "a/notes.txt", "a/1.json", "desktop.ini"):
        (folder / quiet).touch()
    (folder / "b" / "more").symlink_to(folder / "a")
    return folder


SAID = "5 files were left out: 2 "


def test_what_is_left_out_of_a_folder_is_counted_and_the_first_named(tmp_path: Path) -> None:
    folder = _folder_of_everything(tmp_path / "photos")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(list(find_images(str(folder)))) == 12
    (said,) = [str(one.message) for one in caught]
    assert said.startswith(SAID)
    assert said.endswith(f", e.g. {folder / 'a' / 'IMG_1.CR2'}. Save pictures as JPEG, PNG or TIFF.")
    assert "1 .mov" in said
    assert "2 without a suffix" in said


def test_every_command_says_once_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    _folder_of_everything(tmp_path / "photos")
    command = CommandLine(monkeypatch, capsys)
    train = (
        "train",
        "image-folder",
        "--data",
        "photos",
        "--backbone",
        "vgg11",
        "--cut",
        "block1",
        "--weights",
        "random",
    )
    for words in (
        ("embed", "photos", "--filters", "vgg16-plankton", "--cut", "block1"),
        ("embed", "photos/**", "--filters", "vgg16-plankton", "--cut", "block1", "-o", "again.npy"),
        ("data", "check", "image-folder", "--data", "photos"),
        (*train, "--weights", "random", "--size", "32", "--head-epochs", "1", "--epochs", "0", "--out", "run"),
        ("predict", "run", "photos"),
        ("show", "vgg16-plankton", "--cut", "block1", "--images", "photos", "-o", "shown"),
    ):
        answer = command(*words)
        assert (answer.out + answer.err).count(SAID) == 1, (words, answer)
        assert (answer.out + answer.err).count("left out: ") == 1, (words, answer)


def test_a_link_to_nothing_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.png").symlink_to("gone.png")
    assert list(find_images(tmp_path)) == [tmp_path / "x.png"]
    with pytest.raises(FileError, match=r"x\.png: there is no such file\."):
        read_image(tmp_path / "x.png")


def test_a_folder_of_nothing_that_is_read_says_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "x.CR2").touch()
    with pytest.raises(FileError, match=r"no pictures in this folder that can be read, only 1 \.cr2, .* Save pictures"):
        open_images(str(tmp_path))


def test_pictures_are_found_sorted_without_hidden_files_and_leftovers(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "a/1.png", "a/notes.txt", "a/._1.png", ".cache/3.png", "__MACOSX/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)] == ["a/1.png", "b/2.JPG"]


def test_resize_squashes_to_a_square(tmp_path: Path) -> None:
    small = resize(read_image(_save(tmp_path, "x.png", _halves(RED, (10, 200, 90)))), 8)
    assert small.shape == (3, 8, 8)
    assert small.dtype == torch.uint8
    assert tuple(small[:, 4, 0].tolist()) == RED


def test_resize_averages_fine_stripes_instead_of_sampling_them() -> None:
    stripes = torch.zeros(3, 64, 64, dtype=torch.uint8)
    stripes[:, :, ::2] = 200
    assert (resize(stripes, 16)[:, 4:-4, 4:-4].int() - 100).abs().max() <= 3


def test_resize_leaves_a_picture_of_that_size_alone() -> None:
    image = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    assert torch.equal(resize(image, 16), image)
