"""What becomes of styles between mapping and synthesis: truncation, then steps along directions."""

import torch
from torch import Tensor

from adavit.models import Generator


class StyleChange:
    """Truncation towards an average or the nearest of several centres, then an offset.

    Args:
        generator: Gives the average of its styles.
        truncation: Psi of Karras et al. 2019 (arXiv:1812.04948, appendix B), c + psi (w - c): 1 leaves
            styles alone, 0 draws the centre.
        centres: Centres c [K, W], of which each w takes the nearest in W (Mokady et al. 2022, arXiv:2202.12211);
            None is the generator's average for all.
        offset: Added afterwards, [style_count, W], to the style of each layer; None adds nothing.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        truncation: float = 1.0,
        centres: Tensor | None = None,
        offset: Tensor | None = None,
    ) -> None:
        device = generator.w_average.device
        self._truncation = truncation
        self._centres = generator.w_average[None] if centres is None else centres.to(device)
        self._offset = None if offset is None else offset.to(device)

    @torch.no_grad()
    def __call__(self, w: Tensor) -> Tensor:
        """The changed styles.

        Args:
            w: Styles [B, W], or of each layer [B, style_count, W], on the generator's device. Not modified.

        Returns:
            Of the shape of `w`; with an offset [B, style_count, W].
        """
        if self._truncation != 1.0:
            w = torch.lerp(self._centres_like(w), w, self._truncation)
        if self._offset is None:
            return w
        return (w if w.ndim == 3 else w[:, None]) + self._offset

    def _centres_like(self, w: Tensor) -> Tensor:
        """What each style is drawn to: that of an image's mean style for all of its layers."""
        return self.centres_of(w) if w.ndim == 2 else self.centres_of(w.mean(dim=1))[:, None]

    def centres_of(self, w: Tensor) -> Tensor:
        """The centre [B, W] that each of the styles [B, W] is drawn to, or [1, W] of all."""
        if len(self._centres) == 1:
            return self._centres
        return self._centres[torch.cdist(w, self._centres).argmin(dim=1)]
