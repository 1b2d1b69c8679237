from pathlib import Path

import torch

from adavit.styles.change import StyleChange
from tests.stored_generators import stored_generator


def test_truncation_goes_to_the_average_as_the_generator_itself_does(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    latents = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    w = generator.mapping(latents)
    assert torch.equal(StyleChange(generator)(w), w)
    for truncation in (0.0, 0.6, 1.4):
        change = StyleChange(generator, truncation=truncation)
        expected = generator(latents, truncation=truncation)
        assert torch.equal(generator.synthesis(change(w)), expected)


def test_each_style_goes_to_its_nearest_centre_and_then_along_the_offset(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    centres = torch.tensor([[0.0] * 6, [10.0] * 6, [-10.0] * 6])
    w = torch.tensor([[1.0] * 6, [7.0] * 6, [-4.0] * 6, [-6.0] * 6])
    change = StyleChange(generator, truncation=0.5, centres=centres)
    torch.testing.assert_close(change(w)[:, 0], torch.tensor([0.5, 8.5, -2.0, -8.0]))
    offset = torch.zeros(6, 6)
    offset[2] = 3.0
    moved = StyleChange(generator, truncation=0.5, centres=centres, offset=offset)(w)
    assert moved.shape == (4, 6, 6)
    torch.testing.assert_close(moved[:, 2, 0], torch.tensor([3.5, 11.5, 1.0, -5.0]))
    torch.testing.assert_close(moved[:, 3], change(w))


def test_styles_of_each_layer_change_as_one_for_all_does(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    w = torch.tensor([[1.0] * 6, [7.0] * 6, [-4.0] * 6])
    centres = torch.tensor([[0.0] * 6, [10.0] * 6])
    for given in (None, centres):
        for offset in (None, torch.arange(36.0).reshape(6, 6)):
            change = StyleChange(generator, truncation=0.5, centres=given, offset=offset)
            of_each = change(w[:, None].expand(-1, 6, -1))
            of_all = change(w)
            expected = of_all if of_all.ndim == 3 else of_all[:, None].expand(-1, 6, -1)
            torch.testing.assert_close(of_each, expected)
