"""A generator as the page draws from it: recipes to pictures, to styles, and what there is to choose from."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from adavit.exploring.explorer import Explorer, mixed
from adavit.generation.provenance import before_training, described
from adavit.generation.sampling import image_from_tensor
from adavit.runs.hub import is_hub
from adavit.runtime.console import Console
from adavit.runtime.drawn_images import drawn_png
from adavit.serving.recipe import LARGEST_TRUNCATION, REACH, Offer, Recipe
from adavit.styles.change import StyleChange
from adavit.styles.classes import ClassChoice, class_label
from adavit.styles.directions import Directions, find_directions, most_directions
from adavit.styles.directions_file import fitting_directions
from adavit.styles.styles_file import styles_content

FOUND, MOST_SHOWN = 6, 16
"""Directions that are looked for where no file is given, and the most that the page has sliders for."""


@dataclass(frozen=True)
class RecipeDrawer:
    """A generator with directions to step along.

    Attributes:
        explorer: Draws the class by the seed.
        directions: Of this generator; of many the page shows the first `MOST_SHOWN`.
        title: What the page calls it.
    """

    explorer: Explorer
    directions: Directions
    title: str

    @classmethod
    def open(
        cls,
        source: Path | str,
        *,
        directions: Path | None = None,
        which: str | None = None,
        device: str = "auto",
        console: Console,
    ) -> Self:
        """Reads a generator, and reads or finds its directions.

        Args:
            source: A run directory, a generator file, or `hub:USER/NAME`.
            directions: A file of `adavit directions`; None finds the first `FOUND` by SeFa.
            which: "best" or "last" generator of a run; None is the best.
            device: As `adavit.runtime.devices.choose_device`.
            console: Warned of directions of another generator, and of those that the page does not show.

        Raises:
            UserError: If there is no such generator, or the directions cannot be used with it.
        """
        explorer = Explorer.open(source, which=which, device=device)
        if directions is None:
            count = min(FOUND, most_directions(explorer.generator))
            found = find_directions(explorer.generator, count=count, choice=explorer.choice)
        else:
            found = fitting_directions(directions, explorer.stored, console)
            if len(found.vectors) > MOST_SHOWN:
                console.note(
                    f"{directions} has {len(found.vectors)} directions; the page shows the first {MOST_SHOWN}."
                )
        folder = explorer.stored.path.parent.resolve().name
        return cls(explorer, found, title=str(source) if is_hub(str(source)) else folder)

    @property
    def offer(self) -> Offer:
        """What recipes may ask for: a class without training images is not among it."""
        counts = self.explorer.stored.label_counts or [1] * self.explorer.generator.num_classes
        trained = tuple(number for number, count in enumerate(counts) if count)
        shown = min(MOST_SHOWN, len(self.directions.vectors))
        return Offer(layers=self.explorer.layers, classes=trained, directions=shown)

    def about(self) -> dict[str, Any]:
        """What the page says and shows of the generator, for JSON."""
        stored, offer, resolution = (
            self.explorer.stored,
            self.offer,
            self.explorer.generator.resolution,
        )
        sides = [grid.height for grid in resolution.grids]
        return {
            "title": self.title,
            "described": f"{described(stored)}, {resolution.plain} px",
            "warning": before_training(stored),
            "height": resolution.height,
            "width": resolution.width,
            "transparent": self.explorer.generator.image_channels == 4,
            # Styles 1 and 2 are of the second grid, 3 and 4 of the third; the image of the last takes one more.
            "layers": [sides[min(len(sides) - 1, (n + 1) // 2)] for n in range(offer.layers)],
            "classes": [
                {"number": number, "name": class_label(stored, number)} for number in offer.classes
            ],
            "directions": offer.directions,
            "reach": REACH,
            "largest_truncation": LARGEST_TRUNCATION,
        }

    def styles(self, recipe: Recipe) -> Tensor:
        """The styles [1, L, W] of a recipe, on the generator's device.

        Those of both seeds are truncated, then mixed, then moved along directions.
        """
        explorer = self._of_class(recipe.class_index)
        change = StyleChange(explorer.generator, truncation=recipe.truncation)
        w = explorer.styles([recipe.seed], change)
        if recipe.other is not None:
            w = mixed(w, explorer.styles([recipe.other], change), recipe.layers)
        steps = [self.directions.offset(number, amount) for number, amount in recipe.amounts]
        return w + torch.stack(steps).sum(dim=0).to(w) if steps else w

    def picture(self, recipe: Recipe) -> bytes:
        """The image of a recipe as PNG: that of `adavit generate` where nothing is mixed.

        Raises:
            ImagesNotFinite: If the generator diverged.
        """
        w = self.styles(recipe)
        # One style for all layers is rounded otherwise than the same style for each: see `generate`.
        plain = recipe.other is None and not recipe.amounts
        image = self.explorer.images(w[:, 0] if plain else w, noise_seeds=[recipe.seed])
        return drawn_png(image_from_tensor(image[0]), self.explorer.generator.discriminator_saw)

    def latent(self, recipe: Recipe) -> bytes:
        """The styles of a recipe as a safetensors file: the tensor `w` [L, W], and how it was made as JSON."""
        seeds = [recipe.seed] if recipe.other is None else [recipe.seed, recipe.other]
        classes = self._of_class(recipe.class_index).classes(seeds)
        made = {
            **asdict(recipe),
            "class_of_seed": classes[0],
            "class_of_other": None if recipe.other is None else classes[1],
            "noise": "seed",
            "directions": self.directions.method,
            "directions_layers": list(self.directions.layers),
        }
        said = {"made": json.dumps(made)}
        return styles_content(self.styles(recipe)[0], self.explorer.stored, said)

    def _of_class(self, index: int | None) -> Explorer:
        if index is None:
            return self.explorer
        return replace(self.explorer, choice=ClassChoice(index=index))
