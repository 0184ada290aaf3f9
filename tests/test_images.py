"""Picture files of every kind, read as uint8 RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from zoo.data.image_files import find_images
from zoo.data.images import read_image, resize
from zoo.errors import FileError

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
    with pytest.raises(FileError, match=r"more than 178 megapixels are too many\. Make it smaller\."):
        read_image(tmp_path / "x.pgm")


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
