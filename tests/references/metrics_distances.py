"""Distances written as slowly and plainly as their definitions, to test the fast ones against."""

import numpy as np
import scipy.linalg


def frechet_distance_by_matrix_root(a: np.ndarray, b: np.ndarray) -> float:
    """Heusel et al. 2017, equation 6, with scipy's general matrix square root.

    Args:
        a: Features [N, F].
        b: Features [M, F].

    Returns:
        The squared distance.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(covariance_a @ covariance_b)
    offset = a.mean(axis=0) - b.mean(axis=0)
    return float(offset @ offset + np.trace(covariance_a + covariance_b - 2 * root.real))


def kernel_distance_by_loops(a: np.ndarray, b: np.ndarray) -> float:
    """Binkowski et al. 2018, equation 4, one pair of images at a time.

    Args:
        a: Features [N, F].
        b: Features [M, F].

    Returns:
        The unbiased squared maximum mean discrepancy.
    """

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(float(s) * float(t) for s, t in zip(x, y, strict=True)) / len(x) + 1) ** 3

    within_a = [kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j]
    within_b = [kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j]
    between = [kernel(x, y) for x in a for y in b]
    return float(np.mean(within_a) + np.mean(within_b) - 2 * np.mean(between))
