"""A generator to explore: seeds to styles, and styles to images, as `generate` draws them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from adavit.generation.sampling import drawn_bytes, part_size
from adavit.models import Generator
from adavit.runs.generator_file import StoredGenerator, read_generator
from adavit.runtime.devices import choose_device
from adavit.styles.change import StyleChange
from adavit.styles.classes import ClassChoice, LabelsOfSeeds, choose_class
from adavit.styles.seeds import latents_of_seed, pixel_noise_of_seeds


@dataclass(frozen=True)
class Explorer:
    """A generator on its device, and the classes that its seeds are of.

    Attributes:
        stored: The generator with what its file says.
        choice: One class, or how seeds draw it.
    """

    stored: StoredGenerator
    choice: ClassChoice

    @classmethod
    def open(
        cls,
        source: Path | str,
        *,
        which: str | None = None,
        class_name: str | int | None = None,
        labels: LabelsOfSeeds | None = None,
        device: str = "auto",
    ) -> Self:
        """Reads a generator.

        Args:
            source: A run directory or a generator file.
            which: "best" or "last" generator of a run; None is the best.
            class_name: Class by name or number; None draws it by the seed.
            labels: How it is drawn then, as in `choose_class`.
            device: As `adavit.runtime.devices.choose_device`.

        Raises:
            UserError: If there is no such generator or class, or `labels` says nothing here.
        """
        stored = read_generator(source, which=which)
        choice = choose_class(stored, class_name, labels)
        stored.generator.to(choose_device(device))
        return cls(stored, choice)

    @property
    def generator(self) -> Generator:
        """In evaluation mode, without gradients."""
        return self.stored.generator

    @property
    def layers(self) -> int:
        """Number of styles that an image is made of, L: of 4 px first, of details last."""
        return self.generator.synthesis.style_count

    def classes(self, seeds: Sequence[int]) -> list[int | None]:
        """The class of each seed; None without classes."""
        return [latents_of_seed(self.generator, seed, self.choice)[1] for seed in seeds]

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """The latents [N, Z] of seeds, on the generator's device."""
        drawn = [latents_of_seed(self.generator, seed, self.choice)[0] for seed in seeds]
        return torch.cat(drawn).to(self.generator.w_average.device)

    @torch.no_grad()
    def styles(self, seeds: Sequence[int], change: StyleChange | None = None) -> Tensor:
        """The styles of seeds, those that `generate` draws from.

        Args:
            seeds: N integers >= 0.
            change: Truncation and steps along directions; None leaves them as they are.

        Returns:
            w [N, L, W], on the generator's device.
        """
        w = []
        for seed in seeds:
            latents, index = latents_of_seed(self.generator, seed, self.choice)
            w.append(self.mapped(latents, index, change))
        return torch.cat(w)

    @torch.no_grad()
    def mapped(
        self, latents: Tensor, index: int | None, change: StyleChange | None = None
    ) -> Tensor:
        """The styles of latents.

        Args:
            latents: [N, Z], on any device.
            index: Class of all of them; None without classes.
            change: As for `styles`.

        Returns:
            w [N, L, W], on the generator's device.
        """
        device = self.generator.w_average.device
        labels = None if index is None else torch.full((len(latents),), index, device=device)
        return self.changed(self.generator.mapping(latents.to(device), labels), change)

    def changed(self, w: Tensor, change: StyleChange | None) -> Tensor:
        """Styles of each layer after a change.

        Args:
            w: Styles [N, W] or [N, L, W], on any device. Not modified.
            change: As for `styles`.

        Returns:
            w [N, L, W], on the generator's device.
        """
        w = w.to(self.generator.w_average.device)
        w = w if change is None else change(w)
        return w if w.ndim == 3 else w[:, None].expand(-1, self.layers, -1)

    @torch.no_grad()
    def batches(self, w: Tensor, *, noise_seeds: Sequence[int] | None = None) -> Iterator[Tensor]:
        """The images of styles, some at a time, so that a long row of them needs no more memory.

        Args:
            w: Styles [N, L, W], or [N, W] for all layers alike.
            noise_seeds: The seed of each image's noise, as `generate --noise seed` draws it; None takes the
                fixed noise of the generator for all.

        Yields:
            Images [B, C, H, W], uint8, on the CPU.

        Raises:
            ImagesNotFinite: If the generator diverged.
        """
        size = part_size(self.generator)
        for start in range(0, len(w), size):
            part = slice(start, start + size)
            pixels = None
            if noise_seeds is not None:
                pixels = pixel_noise_of_seeds(self.generator, noise_seeds[part])
            yield drawn_bytes(self.generator.synthesis(w[part], pixels)).cpu()

    def images(self, w: Tensor, *, noise_seeds: Sequence[int] | None = None) -> Tensor:
        """The images of styles at once; see `batches`.

        Returns:
            [N, C, H, W], uint8, on the CPU.
        """
        return torch.cat(list(self.batches(w, noise_seeds=noise_seeds)))


def mixed(w: Tensor, other: Tensor, layers: Sequence[int]) -> Tensor:
    """Style mixing (Karras et al. 2019, arXiv:1812.04948, section 3.1): the styles of some layers from others.

    Args:
        w: Styles [..., L, W]. Not modified.
        other: Of the same shape, or one that broadcasts to it. Not modified.
        layers: Numbers of the layers that are taken from `other`; of the first ones pose and shape, of the
            last ones colours.

    Returns:
        [..., L, W].
    """
    taken = torch.zeros(w.shape[-2], 1, dtype=torch.bool, device=w.device)
    taken[list(layers)] = True
    return torch.where(taken, other, w)
