"""Distances between two sets of features: Frechet (FID) and kernel (KID), in float64 throughout.

Pure functions of features; which network the features come from, and so what the number is called,
is not known here. In float32 the Frechet distance is wrong by up to 3%, and features that are not
finite would give wrong finite numbers: both are shut out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.errors import RunError, UserError

BLOCK_ROWS = 1024  # kernel values are summed in blocks: 50,000 images would need 20 GB at once


class TooFewImagesError(UserError):
    """A metric needs more images than there are on one side."""


@dataclass(frozen=True)
class GaussianStatistics:
    """The Gaussian fitted to a set of features.

    Attributes:
        mean: Mean [F], float64.
        covariance: Unbiased covariance [F, F], float64, symmetric.
        count: Number of images it was fitted to.
    """

    mean: Tensor
    covariance: Tensor
    count: int


def check_features(features: Tensor, side: str) -> None:
    """Refuses features that no distance can be computed from.

    Args:
        features: Features [N, F], floating point.
        side: What the features are of, for the message, for example "generated images".

    Raises:
        UserError: If there are fewer than two images.
        RunError: If a feature is NaN or infinite.
    """
    if features.ndim != 2:
        raise ValueError(f"features have shape {tuple(features.shape)}, but must be [N, F].")
    if len(features) < 2:
        raise TooFewImagesError(
            f"there are {len(features)} {side}, but a distance needs at least 2 on each side. Give "
            "more images."
        )
    finite = torch.isfinite(features).all(dim=1)
    if not bool(finite.all()):
        raise RunError(
            f"{int((~finite).sum())} of {len(features)} {side} have features that are not finite, "
            "but a distance needs numbers. Check the extractor's weights; trying another extractor "
            "tells whether they are at fault."
        )


def gaussian_statistics(features: Tensor, side: str = "images") -> GaussianStatistics:
    """Mean and covariance of features.

    Args:
        features: Features [N, F], floating point, N >= 2. Not modified.
        side: What the features are of, for error messages.

    Returns:
        The statistics, float64, on the device of `features`.

    Raises:
        UserError: If N < 2.
        RunError: If a feature is not finite.
    """
    check_features(features, side)
    mean = features.mean(dim=0, dtype=torch.float64)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=mean.device)
    for block in features.split(4 * BLOCK_ROWS):  # spares a float64 copy of all features
        centred = block.double() - mean  # [rows, F]
        covariance += centred.T @ centred
    return GaussianStatistics(mean, covariance / (len(features) - 1), len(features))


def matrix_root(covariance: Tensor) -> Tensor:
    """The symmetric square root of a covariance [F, F], float64."""
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
    # Rounding leaves eigenvalues of about -1e-16 where the covariance is singular.
    return (eigenvectors * eigenvalues.clamp(min=0).sqrt()) @ eigenvectors.T


def frechet_distance_of(
    a: GaussianStatistics, b: GaussianStatistics, *, root_a: Tensor | None = None
) -> float:
    """Squared Frechet distance between two Gaussians.

    Equation 6 of Heusel et al. 2017 (arXiv:1706.08500): |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a
    S_b)^(1/2)). The trace of the root is the sum of the square roots of the eigenvalues of
    S_a^(1/2) S_b S_a^(1/2), which is symmetric, so that nothing turns complex when there are fewer
    images than features.

    Args:
        a: One side.
        b: The other side, with as many features.
        root_a: `matrix_root(a.covariance)` where it is known already. None computes it.

    Returns:
        The distance, >= 0, in squared units of the features. It is biased upwards by small counts
        on either side.
    """
    root = matrix_root(a.covariance) if root_a is None else root_a
    product = root @ b.covariance @ root
    root_trace = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    offset = (a.mean - b.mean).square().sum()
    distance = float(offset + a.covariance.trace() + b.covariance.trace() - 2 * root_trace)
    return max(distance, 0.0)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared Frechet distance between the Gaussians fitted to two sets of features.

    Args:
        a: Features [N, F], floating point, N >= 2. Not modified.
        b: Features [M, F] on the same device, M >= 2. Not modified.

    Returns:
        The distance, >= 0 (`frechet_distance_of`).

    Raises:
        UserError: If a side has fewer than two images.
        RunError: If a feature is not finite.
    """
    return frechet_distance_of(gaussian_statistics(a), gaussian_statistics(b))


def kernel_self_mean(features: Tensor, side: str = "images") -> float:
    """Mean of the cubic kernel over all pairs of different images of one set.

    Args:
        features: Features [N, F], floating point, N >= 2. Not modified.
        side: What the features are of, for error messages.

    Returns:
        The mean of k(x_i, x_j) over i != j, for `kernel_distance`.

    Raises:
        UserError: If N < 2.
        RunError: If a feature is not finite.
    """
    check_features(features, side)
    count, width = features.shape
    total = torch.zeros((), dtype=torch.float64, device=features.device)
    for start in range(
        0, count, BLOCK_ROWS
    ):  # the kernel is symmetric: half of the blocks are enough
        rows = features[start : start + BLOCK_ROWS]
        diagonal = (rows.double().square().sum(dim=1) / width + 1).pow(3).sum()
        total += _kernel_sum(rows, rows) - diagonal
        total += 2 * _kernel_sum(rows, features[start + BLOCK_ROWS :])
    return float(total) / (count * (count - 1))


def kernel_self_mean_of_rest(features: Tensor, keep: Tensor, self_mean: float) -> float:
    """`kernel_self_mean` of some of the images, from that of all, at the cost of the others alone.

    Args:
        features: Features [N, F] of all images. Not modified.
        keep: Which images count, booleans [N], at least two; on the device of `features`.
        self_mean: `kernel_self_mean(features)`.

    Returns:
        The same as `kernel_self_mean(features[keep])`, to rounding.
    """
    rest, removed = features[keep], features[~keep]
    if len(removed) >= len(rest):
        return kernel_self_mean(rest)
    total = self_mean * len(features) * (len(features) - 1)
    total -= 2 * float(_kernel_sum(removed, rest))
    if len(removed) > 1:
        total -= kernel_self_mean(removed) * len(removed) * (len(removed) - 1)
    return total / (len(rest) * (len(rest) - 1))


def kernel_distance(a: Tensor, b: Tensor, *, self_mean_b: float | None = None) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel of KID, over all images.

    KID of Binkowski et al. 2018 (arXiv:1801.01401, section 4): k(x, y) = (x.y / F + 1)^3. All
    images are used instead of the mean over random subsets, which has the same expectation and more
    noise.

    Args:
        a: Features [N, F], floating point, N >= 2. Not modified.
        b: Features [M, F] on the same device, M >= 2. Not modified.
        self_mean_b: `kernel_self_mean(b)` where it is known already. None computes it.

    Returns:
        The distance; slightly negative values are possible and mean that no difference was seen.

    Raises:
        UserError: If a side has fewer than two images.
        RunError: If a feature is not finite.
    """
    self_mean_a = kernel_self_mean(a)
    if self_mean_b is None:
        self_mean_b = kernel_self_mean(b)
    cross_mean = float(_kernel_sum(a, b)) / (len(a) * len(b))
    return self_mean_a + self_mean_b - 2 * cross_mean


def _kernel_sum(a: Tensor, b: Tensor) -> Tensor:
    """Sum of the cubic kernel over all pairs, float64."""
    total = torch.zeros((), dtype=torch.float64, device=a.device)
    width = a.shape[1]
    for rows in a.split(BLOCK_ROWS):
        rows_double = rows.double() / width
        for columns in b.split(BLOCK_ROWS):
            kernel = (rows_double @ columns.double().T).add_(1).flatten()  # [rows * columns]
            total += torch.dot(kernel, kernel.square())  # pow(3) is several times slower
    return total
