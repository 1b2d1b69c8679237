import numpy as np
import pytest
import torch

from adavit.metrics.principal_components import principal_components, with_largest_positive


def test_principal_components_of_a_known_covariance() -> None:
    first, second = torch.tensor([3.0, 0, 4, 0]) / 5, torch.tensor([0.0, 1, 0, 0])
    rows = torch.stack([3 * first, -3 * first, second, -second]) + torch.tensor([9.0, 8, 7, 6])
    components, explained = principal_components(rows)
    torch.testing.assert_close(components[:2], torch.stack([first, second]).double())
    torch.testing.assert_close(explained, torch.tensor([0.9, 0.1, 0, 0]).double())
    assert (principal_components(torch.ones(3, 2))[1] == 0).all()


@pytest.mark.parametrize(("count", "size"), [(50, 7), (5, 9)])
def test_components_are_the_eigenvectors_of_the_covariance(count: int, size: int) -> None:
    rows = torch.randn(count, size, generator=torch.Generator().manual_seed(0))
    before = rows.clone()
    values, vectors = np.linalg.eigh(np.cov(rows.double().numpy(), rowvar=False))
    found, shares = principal_components(rows)
    assert found.shape == (min(count, size), size)
    np.testing.assert_allclose(
        shares, values[::-1][: len(shares)] / values.sum(), rtol=1e-10, atol=1e-14
    )
    for number in range(min(count - 1, size)):  # centred rows leave one direction without variance
        expected = vectors[:, -1 - number]
        expected = expected * np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(found[number], expected, atol=1e-10)
    assert torch.equal(rows, before)


def test_planted_directions_are_found_with_their_shares() -> None:
    stream = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(9, 9, generator=stream)).Q.T
    spread = torch.tensor([5.0, 3.0, *[0.1] * 7])
    rows = 4 + (torch.randn(20_000, 9, generator=stream) * spread) @ axes
    found, shares = principal_components(rows)
    agreement = (found[:2].float() * axes[:2]).sum(dim=1).abs()
    torch.testing.assert_close(agreement, torch.ones(2), rtol=0, atol=1e-3)
    variances = spread.square()
    torch.testing.assert_close(
        shares[:2].float(), variances[:2] / variances.sum(), rtol=0.03, atol=0
    )
    assert (found.gather(1, found.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_each_vector_is_turned_to_its_largest_number() -> None:
    vectors = torch.tensor([[1.0, -3, 2], [1, -2, 3]])
    expected = torch.tensor([[-1.0, 3, -2], [1, -2, 3]])
    torch.testing.assert_close(with_largest_positive(vectors), expected, rtol=0, atol=0)
