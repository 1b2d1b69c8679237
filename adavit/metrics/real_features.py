"""Features of real images, with the statistics that metrics need of them.

What depends on the real side only is computed once, however often generated images are compared
with it.
"""

import torch
from torch import Tensor

from adavit.metrics.distances import (
    GaussianStatistics,
    gaussian_statistics,
    kernel_self_mean,
    kernel_self_mean_of_rest,
    matrix_root,
)
from adavit.metrics.neighbours import squared_radii


class RealFeatures:
    """Features of real images.

    Args:
        features: Features [N, F], float32.
        device: Where distances are computed; float64 must exist there.
    """

    def __init__(self, features: Tensor, device: torch.device) -> None:
        self.features = features
        self._device = device
        self._statistics: GaussianStatistics | None = None
        self._root: Tensor | None = None
        self._self_mean: float | None = None
        self._radii: dict[int, Tensor] = {}
        self._part: RealFeatures | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def on_device(self) -> Tensor:
        """The features where distances are computed."""
        return self.features.to(self._device)

    @property
    def statistics(self) -> GaussianStatistics:
        """Mean and covariance, computed once."""
        if self._statistics is None:
            self._statistics = gaussian_statistics(self.on_device, "reference images")
        return self._statistics

    @property
    def root(self) -> Tensor:
        """Symmetric root of the covariance [F, F], computed once."""
        if self._root is None:
            self._root = matrix_root(self.statistics.covariance)
        return self._root

    @property
    def self_mean(self) -> float:
        """Mean kernel between different images, computed once: 50,000 images take half a minute."""
        if self._self_mean is None:
            self._self_mean = kernel_self_mean(self.on_device, "reference images")
        return self._self_mean

    def squared_radii(self, k: int) -> Tensor:
        """Squared distances [N] to the k-th neighbour within the set, computed once for each k."""
        if k not in self._radii:
            self._radii[k] = squared_radii(self.on_device, k, "reference images")
        return self._radii[k]

    def part(self, chosen: Tensor | None) -> "RealFeatures":
        """The features of drawn images, which are the same at each call.

        Args:
            chosen: Their numbers; None for all.

        Returns:
            The side; `self` where all are chosen.
        """
        if chosen is None:
            return self
        if self._part is None:
            self._part = RealFeatures(self.features[chosen], self._device)
        return self._part

    def kept(self, keep: Tensor, *, with_self_mean: bool) -> "RealFeatures":
        """The features of some of the images.

        Args:
            keep: Which ones, booleans [N], at least two True.
            with_self_mean: Take its mean kernel from that of all, which costs less than anew.

        Returns:
            The side; `self` where all are kept.
        """
        if bool(keep.all()):
            return self
        rest = RealFeatures(self.features[keep], self._device)
        if with_self_mean:
            rest._self_mean = kernel_self_mean_of_rest(
                self.on_device, keep.to(self._device), self.self_mean
            )
        return rest
