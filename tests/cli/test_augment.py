from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli.conftest import Adavit

CELL, GAP = 64, 3  # images of 16 pixels are enlarged to 64
RANDOM_BLOCK = 4 * (CELL + GAP) + GAP


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.unique(picture.reshape(-1, 3), axis=0).tolist()}


def colours_of_the_data(pictures: Path) -> set[tuple[int, ...]]:
    return set().union(*(colours(np.array(Image.open(p))) for p in pictures.rglob("*.png")))


def drawn(adavit: Adavit, *arguments: object) -> np.ndarray:
    outcome = adavit("augment", "preview", *arguments, "-o", "preview.png")
    assert outcome.code == 0, outcome.err
    assert "Wrote preview.png" in outcome.out
    return np.array(Image.open("preview.png"))


def test_preview_has_a_row_per_operation_that_is_on(adavit: Adavit, pictures: Path) -> None:
    heights = [
        drawn(adavit, "--data", pictures, "--augment", "bgc", *flags).shape[0]
        for flags in ([], ["--set", "augment.rotate90=0"], ["--set", "augment.cutout=1"])
    ]
    assert heights[1] == heights[0] - (CELL + GAP)
    assert heights[2] == heights[0] + (CELL + GAP)


def test_random_draws_are_made_at_the_given_probability(adavit: Adavit, pictures: Path) -> None:
    given = colours_of_the_data(pictures) | {(255, 255, 255)}
    flags = ["--data", pictures, "--augment", "color"]
    off = drawn(adavit, *flags, "--p", 0)[-RANDOM_BLOCK:]
    on = drawn(adavit, *flags, "--p", 1)[-RANDOM_BLOCK:]
    # Eight of each row: without augmentation the images as they are, with it none of them.
    assert colours(off[:, 140:]) <= given
    assert len(colours(off[:, 140:])) > 8
    shared = colours(on[:, 140:]) & given
    assert len(shared) <= 3, "the discriminator's view at p = 1 still shows the images as they are"


def test_quantiles_move_an_operation_from_weak_to_strong(adavit: Adavit, pictures: Path) -> None:
    flags = ["--data", pictures, "--set", "augment.brightness_std=0.3", "--augment", "blit"]
    off = [f"augment.{name}=0" for name in ("xflip", "rotate90", "xint")]
    picture = drawn(
        adavit, *flags, *(f for name in [*off, "augment.brightness=1"] for f in ("--set", name))
    )
    middle = picture[34 + 26 + CELL // 2].astype(int)  # through the only row, below title and heads
    cells = [middle[132 + index * (CELL + GAP) + CELL // 2].sum() for index in range(8)]
    assert cells[1:] == sorted(cells[1:])
    assert cells[1] < cells[0] < cells[7]
    assert abs(cells[4] - cells[0]) <= 3  # the middle of the distribution leaves the image


def test_diffaug_shows_its_policies(adavit: Adavit, pictures: Path) -> None:
    one_row = drawn(adavit, "--data", pictures, "--augment", "noise").shape[0]
    assert drawn(adavit, "--data", pictures, "--augment", "diffaug").shape[0] == one_row + 2 * (
        CELL + GAP
    )


def test_the_same_seed_draws_the_same_picture(adavit: Adavit, pictures: Path) -> None:
    flags = ["--data", pictures, "--augment", "bgcfnc"]
    first = drawn(adavit, *flags)
    assert (first == drawn(adavit, *flags)).all()
    assert (first != drawn(adavit, *flags, "--seed", 1)).any()


def test_images_are_read_as_a_run_here_would_read_them(adavit: Adavit) -> None:
    deep = np.full((64, 64), 4095, np.uint16)  # white of 12 bits, in a file that declares 16
    deep[:, ::2] = 0
    Path("deep").mkdir()
    for index in range(3):
        Image.fromarray(deep).save(f"deep/{index}.png")
    flags = ["--data", "deep", "--augment", "blit"]
    outcome = adavit("augment", "preview", *flags)
    assert outcome.code == 0, outcome.err
    assert "--scale-16bit set" in outcome.err
    dark = np.array(Image.open("preview.png"))[34 + 26 :, 132 : 132 + CELL]
    assert adavit("augment", "preview", *flags, "--scale-16bit", "set").code == 0
    light = np.array(Image.open("preview.png"))[34 + 26 :, 132 : 132 + CELL]
    assert dark[:CELL].max() < 20
    assert light[:CELL].max() > 100


def test_unasked_images_are_as_small_as_in_a_run_on_a_cpu(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("large").mkdir()
    Image.effect_noise((64, 64), 40).save("large/a.png")
    found = []
    monkeypatch.setattr(
        "adavit.diagnostics.augmentation_preview._title",
        lambda images, *_: found.append(images.images.shape[2:]) or "",
    )
    monkeypatch.setattr(
        "adavit.diagnostics.augmentation_preview.choose_device", lambda _: torch.device("cpu")
    )
    drawn(adavit, "--data", "large", "--augment", "blit")
    drawn(adavit, "--data", "large", "--augment", "blit", "--resolution", "64")
    assert found == [(32, 32), (64, 64)]


def test_a_long_name_is_written_out_left_of_the_images(adavit: Adavit, pictures: Path) -> None:
    flags = ["--data", pictures, "--augment", "blit"]
    usual = drawn(adavit, *flags)
    wide = drawn(adavit, *flags, "--extra", "RandomElasticTransform:0.5")
    moved = wide.shape[1] - usual.shape[1]
    assert moved > 20
    label = wide[34 + 26 + 3 * (CELL + GAP) :][: CELL + GAP, 132 : 132 + moved]
    assert (label < 100).any(), "the end of the name stands where images stood"
    assert (label[:, -5:] == 255).all(), "and ends before them"


def test_mistakes_are_named(adavit: Adavit, pictures: Path) -> None:
    for flags, said in (
        (["--data", "nowhere"], "nowhere"),
        (["--data", pictures, "--augment", "bcg"], "augment.preset"),
        (["--data", pictures, "--p", "2"], "--p"),
        (["--data", pictures, "--set", "augment.rotat=0"], "Did you mean augment.rotate"),
    ):
        outcome = adavit("augment", "preview", *flags)
        assert outcome.code == 2
        assert said in outcome.err
        assert "Traceback" not in outcome.err


def test_operations_of_kornia_have_a_row_each(adavit: Adavit, pictures: Path) -> None:
    flags = ["--data", pictures, "--augment", "blit"]
    without = drawn(adavit, *flags)
    picture = drawn(adavit, *flags, "--extra", "RandomInvert,RandomElasticTransform:0.5")
    assert picture.shape[0] == without.shape[0] + 2 * (CELL + GAP)
    row = 34 + 26 + 3 * (CELL + GAP) + CELL // 2  # below blit's three: what RandomInvert makes
    middle = picture[row].astype(int)
    left = picture.shape[1] - GAP - 8 * (CELL + GAP)  # the names are longer than usual
    original, inverted = (middle[left + i * (CELL + GAP) + CELL // 2] for i in (0, 1))
    assert np.abs(original + inverted - 255).max() <= 1


def test_a_preset_and_settings_of_the_data_may_be_given_in_either_way(
    adavit: Adavit, pictures: Path
) -> None:
    flag = drawn(adavit, "--data", pictures, "--augment", "diffaug")
    for words in ("augment.preset=diffaug", "data.mirror=true", "data.channels=rgb"):
        given = drawn(adavit, "--data", pictures, "--augment", "diffaug", "--set", words)
        assert np.array_equal(given, flag)
    assert np.array_equal(
        drawn(adavit, "--data", pictures, "--set", "augment.preset=diffaug"), flag
    )


def test_a_probability_that_diffaug_has_not_is_refused(adavit: Adavit, pictures: Path) -> None:
    words = ("--set", "augment.preset=diffaug", "--set", "augment.mode=ada")
    outcome = adavit("augment", "preview", "--data", pictures, *words)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert "diffaug, which is always on, but augment.mode is ada" in line
    drawn(adavit, "--data", pictures, *words[:3], "augment.mode=fixed", "--p", 1)  # as it says


@pytest.mark.parametrize(
    "mode", [["fixed"], ["scheduled", "--set", "augment.schedule_kimg=10"]], ids=lambda m: m[0]
)
def test_a_mode_with_a_p_of_its_own_takes_it_from_either_option(
    adavit: Adavit, pictures: Path, mode: list[str]
) -> None:
    flags = ["--data", pictures, "--augment", "color"]
    words = [*flags, "--set", f"augment.mode={mode[0]}", *mode[1:]]
    usual, faint = drawn(adavit, *flags), drawn(adavit, *flags, "--p", 0.1)
    assert not np.array_equal(usual, faint)
    assert np.array_equal(drawn(adavit, *words), usual)
    assert np.array_equal(drawn(adavit, *words, "--p", 0.1), faint)
    assert np.array_equal(drawn(adavit, *words, "--set", "augment.p=0.1"), faint)
    both = drawn(adavit, *words, "--set", "augment.p=1", "--p", 0.1)
    assert np.array_equal(both, faint)


def test_a_p_beside_diffaug_is_the_one_it_has(adavit: Adavit, pictures: Path) -> None:
    diffaug = ["--data", pictures, "--augment", "diffaug"]
    usual = drawn(adavit, *diffaug)
    assert np.array_equal(drawn(adavit, *diffaug, "--p", 0.1), usual)
    assert np.array_equal(drawn(adavit, *diffaug, "--set", "augment.p=1"), usual)
    outcome = adavit("augment", "preview", *diffaug, "--set", "augment.p=0.1")
    assert outcome.code == 2
    assert "diffaug, which is always on, but augment.mode is fixed and augment.p 0.1" in outcome.err
