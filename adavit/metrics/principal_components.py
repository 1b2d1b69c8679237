"""Principal components: the directions along which vectors differ most."""

import torch
from torch import Tensor


def principal_components(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Right singular vectors of centred rows, and the variance they explain.

    Args:
        rows: Vectors [N, F]. Not modified.

    Returns:
        Components [K, F], K = min(N, F), float64, orthonormal, the largest number of each positive; and their shares
        of the variance [K], falling; zeros where all rows are the same.
    """
    exact = rows.detach().double().cpu()
    _, values, components = torch.linalg.svd(exact - exact.mean(dim=0), full_matrices=False)
    variance = values.square()
    shares = variance / variance.sum().clamp(min=torch.finfo(torch.float64).tiny)
    return with_largest_positive(components), shares


def with_largest_positive(vectors: Tensor) -> Tensor:
    """Eigenvectors or singular vectors [K, F], each turned so that the largest of its numbers is positive.

    Their sign means nothing, and libraries choose it differently.
    """
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return vectors * largest.sign()
