import numpy as np
import pytest
import torch

from adavit.metrics import neighbours as module
from adavit.metrics.neighbours import nearest


def brute_force(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """All distances, float64 [Q, R], from differences."""
    return np.sqrt(((queries[:, None] - references[None]) ** 2).sum(-1))


@pytest.mark.parametrize("rows", [3, 4096])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_neighbours_are_those_of_all_differences(
    monkeypatch: pytest.MonkeyPatch, rows: int, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", rows)
    generator = torch.Generator().manual_seed(0)
    queries = torch.randint(0, 256, (11, 17), generator=generator).to(dtype)
    references = torch.randint(0, 256, (7, 17), generator=generator).to(dtype)
    expected = brute_force(queries.double().numpy(), references.double().numpy())
    found = nearest(queries, references)
    assert found.indices.tolist() == expected.argmin(1).tolist()
    np.testing.assert_allclose(found.distances.numpy(), expected.min(1), rtol=1e-12)


def test_a_copy_is_at_distance_zero_far_from_the_origin() -> None:
    generator = torch.Generator().manual_seed(0)
    references = 1e4 + torch.randn(50, 300, generator=generator)
    found = nearest(references.clone(), references)
    assert found.indices.tolist() == list(range(50))
    assert found.distances.abs().max() == 0


@pytest.mark.parametrize("rows", [3, 4096])
@pytest.mark.parametrize("place", [0, 2, 6])
def test_a_copy_of_a_large_image_is_told_from_images_that_are_nearly_the_same(
    monkeypatch: pytest.MonkeyPatch, rows: int, place: int
) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", rows)
    generator = torch.Generator().manual_seed(place)
    for _ in range(3):
        image = torch.randint(0, 256, (3 * 256 * 256,), generator=generator, dtype=torch.uint8)
        references = image.repeat(7, 1)
        for number in range(7):
            if number != place:
                references[number, 100 * number : 100 * number + 20] ^= 1  # 20 values, by one level
        found = nearest(image[None], references)
        assert found.indices.tolist() == [place]
        assert found.distances.tolist() == [0]


def test_of_equally_near_ones_the_first_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 2)
    references = torch.tensor([[9, 9], [1, 0], [0, 1], [0, 1], [1, 0]], dtype=torch.uint8)
    found = nearest(torch.zeros(3, 2, dtype=torch.uint8), references)
    assert found.indices.tolist() == [1, 1, 1]


@pytest.mark.parametrize("rows", [2, 4096])
def test_leaving_one_out_hides_all_references_of_the_same_owner(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", rows)
    vectors = torch.randn(9, 5, generator=torch.Generator().manual_seed(0)).double()
    owners = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2, 3])
    distances = brute_force(vectors.numpy(), vectors.numpy())
    distances[owners[:, None] == owners[None]] = np.inf
    found = nearest(vectors, vectors, query_owners=owners, reference_owners=owners)
    assert found.indices.tolist() == distances.argmin(1).tolist()
    np.testing.assert_allclose(found.distances.numpy(), distances.min(1), rtol=1e-12)


def test_a_query_without_a_reference_is_an_error() -> None:
    owners = torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="at least two owners"):
        nearest(torch.ones(3, 2), torch.ones(3, 2), query_owners=owners, reference_owners=owners)


def test_progress_ends_at_the_number_of_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 4)
    done: list[int] = []
    nearest(torch.ones(10, 2), torch.ones(3, 2), progress=done.append)
    assert done == [4, 8, 10]
