"""Metrics of neighbourhoods written as plainly as their definitions, to test the fast ones against."""

import numpy as np


def radius(point: int, features: np.ndarray, k: int) -> float:
    """Distance of one feature to its k-th nearest other one."""
    others = [
        float(np.linalg.norm(features[point] - other)) for other in np.delete(features, point, 0)
    ]
    return sorted(others)[k - 1]


def inside(candidates: np.ndarray, centres: np.ndarray, k: int) -> np.ndarray:
    """Whether each candidate is in the ball around each centre that reaches to its k-th neighbour.

    Args:
        candidates: Features [N, F].
        centres: Features [M, F].
        k: Which neighbour.

    Returns:
        Booleans [N, M].
    """
    radii = [radius(point, centres, k) for point in range(len(centres))]
    return np.array(
        [
            [
                np.linalg.norm(candidate - centre) <= reach
                for centre, reach in zip(centres, radii, strict=True)
            ]
            for candidate in candidates
        ]
    )
