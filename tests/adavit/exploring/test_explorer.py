from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.exploring.explorer import Explorer, mixed
from adavit.generation.sampling import images_of_seeds
from adavit.styles.change import StyleChange
from tests.stored_generators import store_generator

SEEDS = [3, 2**64 - 1, 0]


def explorer(folder: Path, class_name: str | None = None, **changes: int) -> Explorer:
    path = store_generator(folder / "generator.safetensors", **changes)
    return Explorer.open(path, class_name=class_name, device="cpu")


def one_by_one(given: Explorer, noise: str) -> torch.Tensor:
    """As `generate` draws them."""
    drawn = images_of_seeds(given.generator, SEEDS, choice=given.choice, noise=noise)
    return torch.stack([image for image, _ in drawn])


@pytest.mark.parametrize(
    ("classes", "class_name"), [(0, None), (3, None), (3, "cow")], ids=["none", "drawn", "one"]
)
def test_images_of_seeds_are_those_that_generate_draws(
    classes: int, class_name: str | None, tmp_path: Path
) -> None:
    opened = explorer(tmp_path, class_name, num_classes=classes, image_channels=4)
    w = opened.styles(SEEDS)
    assert w.shape == (3, opened.layers, 6)
    for noise, noise_seeds in (("seed", SEEDS), ("fixed", None)):
        ours = opened.images(w, noise_seeds=noise_seeds)
        assert (ours.dtype, ours.shape) == (torch.uint8, (3, 4, 16, 16))
        # Of a batch, and by a style for each layer, sums are rounded otherwise.
        assert (ours.int() - one_by_one(opened, noise).int()).abs().max() <= 1
    assert opened.classes(SEEDS) == ([None] * 3 if not classes else opened.classes(SEEDS))
    if class_name:
        assert opened.classes(SEEDS) == [2, 2, 2]


def test_images_in_parts_are_those_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = explorer(tmp_path)
    w = opened.styles(range(7))
    together = opened.images(w, noise_seeds=range(7))
    monkeypatch.setattr("adavit.generation.sampling.PIXELS", 3 * 16**2)
    parts = list(opened.batches(w, noise_seeds=range(7)))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert (torch.cat(parts).int() - together.int()).abs().max() <= 1


def test_styles_are_changed_on_their_way(tmp_path: Path) -> None:
    opened = explorer(tmp_path)
    change = StyleChange(opened.generator, truncation=0.25)
    average = opened.generator.w_average
    expected = average + 0.25 * (opened.styles(SEEDS) - average)
    torch.testing.assert_close(opened.styles(SEEDS, change), expected)
    offset = torch.arange(36.0).view(6, 6)
    moved = opened.styles(SEEDS, StyleChange(opened.generator, offset=offset))
    torch.testing.assert_close(moved, opened.styles(SEEDS) + offset)
    mapped = opened.mapped(opened.latents(SEEDS), None)
    torch.testing.assert_close(mapped, opened.styles(SEEDS))


def test_mixing_takes_the_styles_of_some_layers(tmp_path: Path) -> None:
    w, other = torch.zeros(2, 1, 6, 4), torch.ones(3, 6, 4)
    found = mixed(w, other, [0, 1, 5])
    assert found.shape == (2, 3, 6, 4)
    assert found[1, 2, :, 3].tolist() == [1, 1, 0, 0, 0, 1]
    assert torch.equal(w, torch.zeros(2, 1, 6, 4))


def test_a_class_of_a_generator_without_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="was trained without classes"):
        explorer(tmp_path, "cat")
