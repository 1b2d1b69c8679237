"""`generate`: which seeds, which class, which files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.errors import UserError
from adavit.generation.generate import find_class, generate, parse_seeds
from adavit.generation.sampling import images_of_seeds
from adavit.runs.generator_file import read_generator, save_generator
from tests.networks import GENERATOR, make_generator

ARGUMENTS = {
    **GENERATOR,
    "resolution": 8,
    "num_classes": 2,
    "latent_dim": 4,
    "style_dim": 4,
    "channel_base": 32,
    "channel_max": 4,
}


@pytest.fixture
def stored(tmp_path: Path) -> str:
    torch.manual_seed(0)
    path = tmp_path / "generator.safetensors"
    save_generator(
        path,
        make_generator(**ARGUMENTS).eval(),
        arguments=ARGUMENTS,
        config={},
        data_fingerprint="",
        images=0,
        metric=None,
        classes=("cat", "dog"),
        label_counts=[1, 1],
    )
    return str(path)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("1, 5,7-9", [1, 5, 7, 8, 9]),
        ("4", [4]),
        ("3-3", [3]),
        ("2,1", [2, 1]),
    ],
)
def test_seeds_are_numbers_and_ranges(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1,,2", "1.5", "1-b"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=r"expected numbers and ranges\. Write for example --seeds 0"
    ):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["3-2", "0-1000000"])
def test_ranges_rise_and_end(text: str) -> None:
    with pytest.raises(UserError, match="expected up to a million rising numbers"):
        parse_seeds(text)


def test_a_class_has_a_name_or_a_number(stored: str) -> None:
    opened = read_generator(stored)
    assert [find_class(opened, name) for name in ("cat", "dog", "0", "1")] == [0, 1, 0, 1]
    for name in ("cow", "2", "-1"):
        with pytest.raises(UserError, match=r"expected one of: cat, dog, or a number below 2"):
            find_class(opened, name)


def test_files_hold_the_images_of_their_seeds(stored: str, tmp_path: Path) -> None:
    written = generate(stored, [5, 12], tmp_path / "out", class_name="dog", grid=True)
    assert [path.name for path in written] == ["seed0005.png", "seed0012.png", "grid.png"]
    drawn = images_of_seeds(read_generator(stored).generator, [5, 12], class_index=1)
    for path, image in zip(written, drawn, strict=False):
        np.testing.assert_array_equal(np.array(Image.open(path)), image.permute(1, 2, 0).numpy())
    assert [path.name for path in generate(stored, [5], tmp_path / "more")] == ["seed0005.png"]
