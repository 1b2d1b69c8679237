"""The augmentation pipeline of Karras et al. 2020 (arXiv:2006.06676), section 2 and appendix B.

Order: blitting and geometric (one affine map, resampled once), colour (one affine map of colour space),
filtering, noise, cutout, and then operations of others. For each image and each operation independently, the
operation happens with probability multiplier times p. How p moves is not decided here, see `adavit.augment.adaptive`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adavit.augment.blitting import Blitting
from adavit.augment.color import Color
from adavit.augment.cutout import Cutout
from adavit.augment.draws import Draws, Parameters, QuantileDraws, RandomDraws
from adavit.augment.extras import Extras, Operation
from adavit.augment.filtering import Filtering
from adavit.augment.geometric import Geometric
from adavit.augment.group import check_images, working_precision
from adavit.augment.noise import Noise
from adavit.augment.presets import DIFFAUG, preset_multipliers
from adavit.augment.resampling import resample

PipeParameters = dict[str, Parameters]
"""The drawn parameters of a whole pipeline: one entry for each group that is switched on."""


class AugmentPipe(nn.Module):
    """Random augmentation with one probability for all operations.

    Multipliers lie in [0, 1] and are 0 by default: an operation with 0 is switched off for good, and costs
    nothing. All results are differentiable with respect to the images, twice and more. Shapes do not depend on
    drawn numbers and the host never waits for the device.

    Attributes:
        p: Probability, 0-d float32 buffer, saved with the module. 1 at first; change it in place at any step:
            `pipe.p.fill_(0.3)`. With 0 the images are returned bit for bit.

    Args:
        xflip: Mirroring left and right, with probability 1/2.
        rotate90: Turning by 0 to 3 quarters.
        xint: Shifts by whole pixels.
        scale: Isotropic scaling.
        rotate: Rotation by any angle.
        aniso: Stretching x against y.
        xfrac: Shifts by fractions of a pixel.
        brightness: Adding a constant.
        contrast: Multiplying by a constant.
        lumaflip: Reflecting the luma, with probability 1/2.
        hue: Rotating the hue.
        saturation: Scaling the saturation.
        imgfilter: Random gains of four frequency bands.
        noise: Additive noise.
        cutout: A box set to 0.
        extra: Pairs of an operation and its multiplier, applied at the end; see `adavit.augment.extras`.
        xint_max: Largest shift, as a fraction of width and height.
        scale_std: Standard deviation of log2 of the scale.
        rotate_max: Largest angle, as a fraction of a half turn.
        aniso_std: Standard deviation of log2 of the stretch.
        xfrac_std: Standard deviation of the shift, as a fraction of width and height.
        brightness_std: Standard deviation of the constant, in pixel values.
        contrast_std: Standard deviation of log2 of the contrast.
        hue_max: Largest angle, as a fraction of a half turn.
        saturation_std: Standard deviation of log2 of the saturation.
        imgfilter_bands: Multipliers of the four bands, low to high.
        imgfilter_std: Standard deviation of log2 of a band's gain.
        noise_std: Scale of the noise's standard deviation, in pixel values.
        cutout_size: Width and height of the box, as a fraction of the image's.

    Raises:
        ValueError: If a multiplier or a magnitude is out of range.
    """

    p: Tensor

    def __init__(
        self,
        xflip: float = 0,
        rotate90: float = 0,
        xint: float = 0,
        scale: float = 0,
        rotate: float = 0,
        aniso: float = 0,
        xfrac: float = 0,
        brightness: float = 0,
        contrast: float = 0,
        lumaflip: float = 0,
        hue: float = 0,
        saturation: float = 0,
        imgfilter: float = 0,
        noise: float = 0,
        cutout: float = 0,
        *,
        extra: Sequence[tuple[Operation, float]] = (),
        xint_max: float = 0.125,
        scale_std: float = 0.2,
        rotate_max: float = 1,
        aniso_std: float = 0.2,
        xfrac_std: float = 0.125,
        brightness_std: float = 0.2,
        contrast_std: float = 0.5,
        hue_max: float = 1,
        saturation_std: float = 1,
        imgfilter_bands: Sequence[float] = (1, 1, 1, 1),
        imgfilter_std: float = 1,
        noise_std: float = 0.1,
        cutout_size: float = 0.5,
    ) -> None:
        super().__init__()
        self.register_buffer("p", torch.ones((), dtype=torch.float32))
        self.blitting = Blitting(xflip=xflip, rotate90=rotate90, xint=xint, xint_max=xint_max)
        self.geometric = Geometric(
            scale=scale,
            rotate=rotate,
            aniso=aniso,
            xfrac=xfrac,
            scale_std=scale_std,
            rotate_max=rotate_max,
            aniso_std=aniso_std,
            xfrac_std=xfrac_std,
        )
        self.color = Color(
            brightness=brightness,
            contrast=contrast,
            lumaflip=lumaflip,
            hue=hue,
            saturation=saturation,
            brightness_std=brightness_std,
            contrast_std=contrast_std,
            hue_max=hue_max,
            saturation_std=saturation_std,
        )
        self.filtering = Filtering(
            imgfilter=imgfilter, imgfilter_bands=imgfilter_bands, imgfilter_std=imgfilter_std
        )
        self.noise = Noise(noise=noise, noise_std=noise_std)
        self.cutout = Cutout(cutout=cutout, cutout_size=cutout_size)
        self.extra = Extras(extra)

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> AugmentPipe:
        """A pipeline by name.

        Args:
            name: One of blit, geom, color, filter, noise, cutout, bg, bgc, bgcf, bgcfn, bgcfnc; or diffaug
                (`adavit.augment.diffaug.DiffAugment`, which ignores p).
            overrides: Arguments of the constructor that replace those of the preset, for example `rotate90=0`.

        Returns:
            The pipeline, with p = 1.

        Raises:
            ValueError: If there is no such preset.
        """
        if name == DIFFAUG:
            from adavit.augment.diffaug import (
                DiffAugment,  # it is a pipe itself, so imports this file
            )

            return DiffAugment(**overrides)
        return cls(**{**preset_multipliers(name), **overrides})

    def _draws(
        self, batch: int, device: torch.device, quantile: float | None, generator: Any
    ) -> Draws:
        if quantile is not None:
            return QuantileDraws(batch, quantile, device=device, generator=generator)
        return RandomDraws(batch, self.p, device=device, generator=generator)

    def sample(
        self,
        shape: Sequence[int],
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        *,
        quantile: float | None = None,
    ) -> PipeParameters:
        """Draw the parameters for a batch of images, at the present p.

        Args:
            shape: Of the images, (B, C, H, W).
            generator: Source of all random numbers; None means the default one. It may live on another device.
            device: Where the parameters are wanted; None means the device of `p`.
            quantile: In (0, 1): the deterministic mode, see `adavit.augment.draws.QuantileDraws`.

        Returns:
            Group name to parameter name to tensor, each with the batch first. A closed gate appears as the
            neutral parameter.

        Raises:
            ValueError: If `quantile` is out of range.
        """
        shape = torch.Size(shape)
        target = self.p.device if device is None else torch.device(device)
        draws = self._draws(shape[0], target, quantile, generator)
        groups = {
            "blitting": self.blitting,
            "geometric": self.geometric,
            "color": self.color,
            "filtering": self.filtering,
            "noise": self.noise,
            "cutout": self.cutout,
        }
        return {name: group.sample(shape, draws) for name, group in groups.items() if group.enabled}

    def apply(self, images: Any, parameters: PipeParameters | None = None) -> Any:
        """Apply drawn parameters; deterministic, and independent of p.

        With a function as the only argument this is `torch.nn.Module.apply`, which a module that contains the
        pipe relies on.

        Args:
            images: [B, C, H, W], floating point, nominally in [-1, 1]. Not modified.
            parameters: What `sample` returned for this shape; may be used for several batches.

        Returns:
            [B, C, H, W] in the dtype of `images`.

        Raises:
            ValueError: If `images` is not a floating-point batch, or has another number of images than the
                parameters.
        """
        if parameters is None:
            return super().apply(images)
        check_images(images)
        check_batch(images, parameters)
        if not parameters:
            return images
        # Autocast would round the matrices of filters and colours to half precision.
        with _without_autocast(images.device.type):
            result = self._move(working_precision(images), parameters)
            if "color" in parameters:
                result = self.color.transform(result, parameters["color"])
            if "filtering" in parameters:
                result = self.filtering.transform(result, parameters["filtering"])
            if "noise" in parameters:
                result = self.noise.transform(result, parameters["noise"])
            if "cutout" in parameters:
                result = self.cutout.transform(result, parameters["cutout"])
        return result.to(images.dtype)

    def _move(self, images: Tensor, parameters: PipeParameters) -> Tensor:
        """Blitting and geometric operations: copied if blitting is all there is, resampled once otherwise."""
        if "geometric" not in parameters:
            if "blitting" not in parameters:
                return images
            return self.blitting.transform(images, parameters["blitting"])
        inverse = self.geometric.inverse_map(parameters["geometric"])
        if "blitting" in parameters:
            inverse = self.blitting.inverse_map(parameters["blitting"]) @ inverse
        return resample(images, inverse)

    def forward(
        self,
        images: Tensor,
        *,
        quantile: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample parameters, apply them, then the extra operations.

        Args:
            images: [B, C, H, W], floating point, nominally in [-1, 1]; C is 1 (grey), 3 (RGB) or 4 (RGBA). Not
                modified.
            quantile: In (0, 1): the deterministic mode, in which every gate is open, every parameter is at
                this quantile by the published convention, and extra operations are left out.
            generator: Source of all random numbers; None means the default one.

        Returns:
            [B, C, H, W] in the dtype of `images`.

        Raises:
            ValueError: If `images` is not a floating-point batch or `quantile` is out of range.
        """
        check_images(images)
        parameters = self.sample(images.shape, generator, images.device, quantile=quantile)
        result = self.apply(images, parameters)
        if self.extra.enabled and quantile is None:
            result = self.extra(result, self.p, generator)
        return result

    def extra_repr(self) -> str:
        """The operations that are switched on."""
        groups = (self.blitting, self.geometric, self.color, self.filtering)
        names = [name for group in (*groups, self.noise, self.cutout) for name in group.names]
        return ", ".join(names) if names else "no operation"


def _without_autocast(device_type: str) -> contextlib.AbstractContextManager[Any]:
    """Switch autocast off where there is such a thing; asking torch would break graphs in torch 2.11."""
    if device_type == "meta":
        return contextlib.nullcontext()
    return torch.autocast(device_type, enabled=False)


def check_batch(images: Tensor, parameters: PipeParameters) -> None:
    """Raise unless the parameters are for as many images as there are."""
    for group in parameters.values():
        for name, values in group.items():
            if values.shape[0] != images.shape[0]:
                raise ValueError(
                    f"The parameter {name} is for {values.shape[0]} images, but there are {images.shape[0]}. "
                    "Draw the parameters with sample(images.shape)."
                )
