"""The rows of a preview; the picture itself is looked at in tests/cli/test_augment.py."""

from pathlib import Path

import pytest
import torch

from adavit.augment import AugmentPipe
from adavit.config.augment import AugmentConfig
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.diagnostics.augmentation_preview import (
    QUANTILES,
    named_operations,
    preview,
    preview_rows,
)
from adavit.errors import UserError
from adavit.runtime.console import SilentConsole
from adavit.runtime.resolution import Resolution
from tests.adavit.diagnostics.conftest import random_images, write_images


def section(**augment: object) -> AugmentConfig:
    return resolve(
        build_config([{"augment": augment}]), RunFacts(Resolution.of(16), 100, "cpu")
    ).augment


def test_a_row_applies_its_operation_alone_with_the_magnitudes_of_the_run() -> None:
    rows = preview_rows(section(preset="bg", rotate=0, scale_std=0.4), p=0.5)
    assert [row.label for row in rows] == [
        "b  xflip",
        "b  rotate90",
        "b  xint",
        "g  scale",
        "g  aniso",
        "g  xfrac",
    ]
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    expected = AugmentPipe(scale=1, scale_std=0.4)(images, quantile=0.8)
    found = rows[3].at(images, 0.8, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, expected)


def test_letters_are_those_of_the_presets() -> None:
    letters = [row.label[0] for row in preview_rows(section(preset="bgcfnc", diffusion=1), p=0.5)]
    assert "".join(letters) == "bbb" + "gggg" + "ccccc" + "f" + "n" + "c" + "d"
    assert list(QUANTILES) == sorted(QUANTILES)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"preset": "bgcfnc"}, "bgcfnc"),
        ({"preset": "bgcfnc", "diffusion": 1}, "bgcfnc + diffusion"),
        ({"preset": "bg", "rotate": 0, "noise": 0.5, "hue": 1}, "bg + hue + noise"),
        ({"preset": "diffusion"}, "diffusion"),
        ({"preset": "diffaug", "mode": "fixed", "p": 1}, "diffaug"),
    ],
)
def test_what_is_added_to_a_preset_is_named_beside_it(settings: dict, named: str) -> None:
    assert named_operations(section(**settings)) == named


@pytest.mark.parametrize("p", [0.0, 0.2, 1.0])
def test_only_diffusion_is_as_strong_as_p_makes_it(p: float) -> None:
    augment = section(preset="diffusion", diffusion=0.5, brightness=0.5, diffusion_std=0.1)
    bright, diffused = preview_rows(augment, p=p)
    images = torch.full((1, 3, 8, 8), 0.5)
    stream = torch.Generator().manual_seed(0)
    expected = AugmentPipe(brightness=1)(images, quantile=0.8)
    torch.testing.assert_close(bright.at(images, 0.8, stream), expected)
    pipe = AugmentPipe(diffusion=0.5 * p, diffusion_std=0.1)
    expected = pipe(images, quantile=0.8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(diffused.at(images, 0.8, stream), expected)
    assert torch.equal(expected, images) == (p == 0)


@pytest.mark.parametrize("preset", ["noise", "diffaug"])
def test_operations_of_kornia_follow_and_draw_at_random(preset: str) -> None:
    fixed = {"mode": "fixed", "p": 1} if preset == "diffaug" else {}
    rows = preview_rows(section(preset=preset, extra="RandomGaussianNoise:0.1", **fixed), p=0.5)
    assert rows[-1].label == "+  RandomGaussianNoise"
    images = torch.zeros(1, 3, 16, 16)
    stream = torch.Generator().manual_seed(0)
    first, second = (rows[-1].at(images, 0.5, stream) for _ in range(2))
    assert not torch.equal(first, images)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"operation": "RandomHue"}, "RandomHue does not work on images of 1 x 16 x 16"),
        ({"operation": "RandomCrop", "size": [8, 8]}, "RandomCrop makes of images of 1 x 16 x 16"),
    ],
)
def test_what_cannot_be_trained_with_is_not_drawn(
    tmp_path: Path, extra: dict[str, object], words: str
) -> None:
    data = write_images(tmp_path / "data", random_images(3, channels=1))
    config = build_config([{"data": {"source": str(data)}, "augment": {"extra": [extra]}}])
    with pytest.raises(UserError, match=words):
        preview(config, p=0.5, console=SilentConsole())
