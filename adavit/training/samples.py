"""The pictures of a run: a grid of real images, and grids of generated ones from fixed latents."""

from pathlib import Path

import numpy as np
import torch

from adavit.generation.grid import GRID_COLUMNS, image_grid
from adavit.generation.sampling import draw_in_parts, drawn_bytes
from adavit.models import Generator
from adavit.runs.directory import RunDirectory
from adavit.runtime.files import write_bytes
from adavit.runtime.pictures import result_png
from adavit.runtime.randomness import generator_for
from adavit.training.start.workload import Workload

COUNT = 64


class SampleSheet:
    """Draws the same latents again and again, so that the grids show how the generator changes.

    Args:
        workload: Gives the real images, the seed and the classes.
        directory: Where the grids go.
    """

    def __init__(self, workload: Workload, directory: RunDirectory) -> None:
        self._directory = directory
        self._workload = workload
        stream = generator_for(workload.config.run.seed, "samples", 0)
        latent_dim = workload.config.generator.latent_dim
        self._latents = torch.randn(COUNT, latent_dim, generator=stream).to(workload.device)
        self._labels = self._captions = None
        if workload.num_classes:  # a column per class, as far as columns go
            columns = torch.arange(COUNT) % GRID_COLUMNS
            rows = torch.arange(COUNT) // GRID_COLUMNS
            beyond = GRID_COLUMNS * (rows % -(-workload.num_classes // GRID_COLUMNS))
            labels = (columns + beyond) % workload.num_classes
            self._labels = labels.to(workload.device)
            self._captions = [workload.image_set.classes[label] for label in labels]

    def draw_reals(self) -> None:
        """Writes `reals.png`: training images drawn with the seed, of the classes of the generated ones."""
        image_set, train = self._workload.image_set, self._workload.split.train
        if self._labels is None or image_set.labels is None:
            # Of each class its share, also where the run does not know the classes.
            chosen = self._workload.some_of(train, COUNT)
        else:
            order = generator_for(self._workload.config.run.seed, "real samples", 0)
            own, wanted = image_set.labels[train], self._labels.cpu().numpy()
            chosen = train[_of_classes(own, wanted, order)]
        images = torch.from_numpy(np.array(image_set.images[chosen]))
        self._save(self._directory.real_images, images)

    @torch.no_grad()
    def draw(self, generator: Generator, images: int, *, every_kimg: float, previous: int) -> None:
        """Writes `000020kimg.png`, with decimals where that name would not be its own.

        Args:
            generator: Usually the average, in evaluation mode; its fixed noise is used.
            images: Real images seen.
            every_kimg: Thousands of images between grids.
            previous: Images seen at the grid before, or a negative number.
        """
        whole = float(every_kimg).is_integer() and previous // 1000 != images // 1000
        generated = drawn_bytes(draw_in_parts(generator, self._latents, self._labels))
        self._save(self._directory.sample_grid(images, decimals=not whole), generated)

    def _save(self, path: Path, images: torch.Tensor) -> None:
        grid = image_grid(images, captions=self._captions)
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, result_png(grid))


def _of_classes(labels: np.ndarray, wanted: np.ndarray, stream: torch.Generator) -> np.ndarray:
    """An image of each class that is wanted, none twice before all of its class were taken.

    Args:
        labels: int64 [N] class of each image.
        wanted: int64 [M] classes.
        stream: Of the order within the classes.

    Returns:
        Their indices, int64 [M]; where a class has no image, any other's.
    """
    order = torch.randperm(len(labels), generator=stream).numpy()
    waiting = {label: order[labels[order] == label] for label in np.unique(wanted)}
    taken = dict.fromkeys(waiting, 0)
    chosen = np.empty(len(wanted), dtype=np.int64)
    for position, label in enumerate(wanted):
        images = waiting[label] if len(waiting[label]) else order
        chosen[position] = images[taken[label] % len(images)]
        taken[label] += 1
    return chosen
