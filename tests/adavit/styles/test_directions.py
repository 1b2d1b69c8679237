from pathlib import Path

import numpy as np
import pytest
import torch

from adavit.errors import UserError
from adavit.metrics.principal_components import principal_components
from adavit.styles.classes import ClassChoice
from adavit.styles.directions import (
    factorised,
    find_directions,
)
from adavit.styles.seeds import random_styles
from tests.stored_generators import stored_generator

CHOICE = ClassChoice()


def test_sefa_is_the_eigenvectors_of_the_stacked_weights() -> None:
    stream = torch.Generator().manual_seed(0)
    weights = [torch.randn(rows, 7, generator=stream) for rows in (5, 3, 11)]
    stacked = np.concatenate([each.numpy() for each in weights]).astype(np.float64)
    values, vectors = np.linalg.eigh(stacked.T @ stacked)
    found, strengths = factorised(weights, 4)
    np.testing.assert_allclose(strengths, values[::-1][:4], rtol=1e-12)
    for number in range(4):
        expected = vectors[:, -1 - number]
        expected = expected * np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(found[number], expected, atol=1e-10)


def test_sefa_finds_the_one_number_that_a_layer_reads() -> None:
    weight = torch.zeros(4, 5)
    weight[:, 3] = -2.0
    found, strengths = factorised([weight, 0.1 * torch.eye(5)], 1)
    torch.testing.assert_close(found[0], torch.eye(5, dtype=torch.float64)[3])
    torch.testing.assert_close(strengths, torch.tensor([16.01], dtype=torch.float64))


def test_pca_finds_the_components_of_random_styles_with_their_shares(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    found = find_directions(generator, method="pca", count=3, choice=CHOICE)
    components, shares = principal_components(random_styles(generator, CHOICE))
    units = found.vectors / found.vectors.norm(dim=1, keepdim=True)
    torch.testing.assert_close(units, components[:3].float())
    torch.testing.assert_close(found.strengths, shares[:3].float())


@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_a_step_of_one_is_a_standard_deviation_of_styles(method: str, tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    found = find_directions(generator, method=method, count=3, choice=CHOICE)
    w = random_styles(generator, CHOICE)
    for vector in found.vectors:
        along = w @ (vector / vector.norm())
        torch.testing.assert_close(along.std(), vector.norm(), rtol=1e-4, atol=0)
    directions = found.vectors / found.vectors.norm(dim=1, keepdim=True)
    torch.testing.assert_close(directions @ directions.T, torch.eye(3), rtol=0, atol=1e-5)


def test_only_the_chosen_layers_are_looked_at_and_moved(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    found = find_directions(generator, layers=[2, 3], count=2, choice=CHOICE)
    blocks = generator.synthesis.blocks
    # Style 2 is read at 8 px by the second convolution, style 3 there by the image and at 16 px by the first.
    reading = [blocks[1].convolutions[1], blocks[1].to_image, blocks[2].convolutions[0]]
    expected, strengths = factorised([layer.affine.weight for layer in reading], 2)
    unit = found.vectors / found.vectors.norm(dim=1, keepdim=True)
    torch.testing.assert_close(unit, expected.float(), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.strengths, strengths.float())
    offset = found.offset(1, -2.0)
    torch.testing.assert_close(offset[2], -2.0 * found.vectors[1])
    assert torch.equal(offset[3], offset[2])
    assert torch.equal(offset[[0, 1, 4, 5]], torch.zeros(4, 6))
    for number in (-1, 2):
        with pytest.raises(IndexError, match="there are 2 directions"):
            found.offset(number, 1.0)


def test_layers_and_counts_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    with pytest.raises(UserError, match=r"--layers has 6, but .* 16 px has layers 0-5: .* Name"):
        find_directions(generator, layers=[1, 6], choice=CHOICE)
    for count in (0, 7):
        with pytest.raises(UserError, match=f"--count is {count}, but styles of 6 numbers"):
            find_directions(generator, count=count, choice=CHOICE)


def test_sefa_finds_no_more_directions_than_the_chosen_layers_have_channels(tmp_path: Path) -> None:
    sizes = {"resolution": 32, "style_dim": 24, "channel_base": 512, "channel_max": 16}
    generator = stored_generator(tmp_path, **sizes).generator
    # Style 6 is read by one convolution of 16 channels alone, style 7 by that of the image.
    with pytest.raises(
        UserError, match=r"--count is 20, but layers of 16 channels .* from 1 to 16"
    ):
        find_directions(generator, layers=[6], count=20, choice=CHOICE)
    found = find_directions(generator, layers=[6], count=16, choice=CHOICE)
    assert found.strengths.min() > 1e-6 * found.strengths.max()
    assert len(find_directions(generator, layers=[6, 7], count=24, choice=CHOICE).vectors) == 24
    pca = find_directions(generator, method="pca", layers=[6], count=20, choice=CHOICE)
    assert len(pca.vectors) == 20
