"""The StyleGAN2 generator (Karras et al. 2020, arXiv:1912.04958), with the labels of StyleGAN2-ADA (arXiv:2006.06676).

Not here: style mixing and the path-length penalty, which the loop can build from `mapping` and
`synthesis`.
"""

import operator
import unicodedata
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from adavit.models.mapping import MappingNetwork
from adavit.models.pixel_noise import PixelNoise
from adavit.models.synthesis import SynthesisNetwork
from adavit.runtime.resolution import AnyResolution, Resolution


class Generator(nn.Module):
    """Latents, and labels if there are classes, to images.

    Args:
        resolution: Height and width of the images, as `Resolution.of` takes them: 64, (96, 64), "96x64".
        image_channels: Channels of the images, >= 1.
        num_classes: Number of classes; 0 for an unconditional generator.
        latent_dim: Length Z of the latents.
        style_dim: Length W of the styles.
        mapping_layers: Dense layers of the mapping network.
        mapping_lr_multiplier: Factor on the learning rate of the mapping network.
        channel_base: Channels at side r are min(channel_base // r, channel_max), r = 4 * 2^k at the kth doubling.
        channel_max: See `channel_base`.
        noise: What the convolutions add at each pixel, of `pixel_noise.NOISES`.

    Raises:
        ValueError: If a size is out of range, or there is no such noise.
    """

    w_average: Tensor
    goes_with: ClassVar = {"w_average": ("mapping.layers",)}

    classes: tuple[str, ...] = ()
    """Names of the classes, by number; a file of a generator knows them, a new one has none."""

    discriminator_saw: tuple[str, ...] = ()
    """Networks trained on other images that it was judged through, in its run or as it was tuned (`features.seen`)."""

    def __init__(
        self,
        *,
        resolution: AnyResolution,
        image_channels: int,
        num_classes: int,
        latent_dim: int,
        style_dim: int,
        mapping_layers: int,
        mapping_lr_multiplier: float,
        channel_base: int,
        channel_max: int,
        noise: str,
    ) -> None:
        super().__init__()
        self.resolution = Resolution.of(resolution)
        self.image_channels = image_channels
        self.num_classes = num_classes
        self.latent_dim = latent_dim
        self.mapping = MappingNetwork(
            latent_dim=latent_dim,
            style_dim=style_dim,
            num_classes=num_classes,
            layers=mapping_layers,
            lr_multiplier=mapping_lr_multiplier,
        )
        self.synthesis = SynthesisNetwork(
            resolution=self.resolution,
            image_channels=image_channels,
            style_dim=style_dim,
            channel_base=channel_base,
            channel_max=channel_max,
            noise=noise,
        )
        self.register_buffer("w_average", torch.zeros(style_dim))

    @torch.no_grad()
    def track_average(self, w: Tensor, made: Tensor, decay: float = 0.995) -> None:
        """Moves `w_average` towards the mean of a batch of styles, in place and without gradients.

        Args:
            w: Styles [B, W]. Not modified.
            made: Whether the step that they are of was made, bool 0-d; else the average stays.
            decay: Part of the old average that stays, in [0, 1].
        """
        mean = w.detach().to(self.w_average.dtype).mean(dim=0)
        moved = torch.lerp(self.w_average, mean, 1.0 - decay)
        self.w_average.copy_(torch.where(made, moved, self.w_average))

    def forward(
        self,
        latents: Tensor,
        labels: Tensor | int | str | Sequence[int | str] | None = None,
        *,
        truncation: float = 1.0,
        noise: PixelNoise | None = None,
    ) -> Tensor:
        """Draws images.

        Args:
            latents: Latents [B, Z], N(0, 1).
            labels: Class numbers [B], int64; or one class for all, or a list of one for each image, by
                number or name; None without classes. Numbers in a tensor are not looked at, since the host would
                wait for them: one that is no class is an IndexError, and on CUDA ends the process.
            truncation: Psi of Karras et al. 2019 (arXiv:1812.04948, appendix B), w_average + psi (w
                - w_average): 1 leaves the styles alone, 0 draws the average image for all latents.
            noise: Where the noise of each pixel comes from: a `torch.Generator`, or a tensor [B, pixels of all
                layers]; None for the fixed noise.

        Returns:
            Images [B, C, H, W], float32, about [-1, 1] once trained.

        Raises:
            ValueError: If latents or labels do not fit, or labels are missing, unexpected or, by name or as a Python
                number, no class.
        """
        w = self.mapping(latents, self._numbers(labels, latents))
        if truncation != 1.0:
            w = torch.lerp(self.w_average, w, truncation)
        images: Tensor = self.synthesis(w, noise)
        return images

    def _numbers(
        self, labels: Tensor | int | str | Sequence[int | str] | None, latents: Tensor
    ) -> Tensor | None:
        if isinstance(labels, Tensor):
            return labels
        if labels is None:
            if self.num_classes:
                example = repr(self.classes[0]) if self.classes else "0"
                raise ValueError(
                    f"labels are None, but this generator has {self.num_classes} classes. Pass one for all"
                    f" images, such as generator(latents, {example}), or a list with one for each."
                )
            return None
        if not self.num_classes:
            raise ValueError(
                f"labels is {labels!r}, but this generator has no classes. Pass labels=None."
            )
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            labels = [labels] * len(latents)
        numbers = [self._number(label) for label in labels]
        return torch.tensor(numbers, dtype=torch.int64, device=latents.device)

    def _number(self, label: int | str) -> int:
        if isinstance(label, str):
            if label in self.classes:
                return self.classes.index(label)
            # File systems spell accents in one of two ways.
            names = [unicodedata.normalize("NFC", name) for name in self.classes]
            spelt = unicodedata.normalize("NFC", label)
            if spelt not in names:
                named = ", ".join(self.classes) or f"numbers below {self.num_classes}"
                raise ValueError(
                    f"labels is {label!r}, expected one of the classes: {named}. Name one of these."
                )
            return names.index(spelt)
        try:
            label = operator.index(label)
        except TypeError:
            raise ValueError(
                f"labels hold {label!r}, expected numbers or names of classes. Pass one for each image."
            ) from None
        if self.num_classes and not 0 <= label < self.num_classes:
            raise ValueError(
                f"labels is {label}, expected a number below {self.num_classes}. Use one of these."
            )
        return label
