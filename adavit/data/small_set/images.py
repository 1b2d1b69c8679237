"""Drawings of ten kinds of object, as many as wanted; the same bytes on every machine."""

import threading
from collections import OrderedDict
from concurrent.futures import Future

import numpy as np

from adavit.data.small_set.canvas import Canvas, RandomNumbers
from adavit.data.small_set.objects import KINDS

# Part of the cache's key: raise it whenever a pixel changes.
VERSION = 1
CLASSES = tuple(sorted(KINDS))
SIZE_PX = 32
LARGEST_PX = 64
"""Larger ones would take the memory of hundreds of images at once; they are enlarged from these."""
# Small batches stay in the processor's cache, which is several times faster. It is part of what is drawn.
BATCH = 20
# Of each kind the batch at hand and the next one, whatever the order of the threads that read them.
_KEPT_BATCHES = 2 * len(CLASSES)


def draw_batch(kind: int, number: int, *, seed: int = 0, size_px: int = SIZE_PX) -> np.ndarray:
    """The drawings of one kind that are drawn together.

    Args:
        kind: Index into `CLASSES`.
        number: Which batch of that kind, from 0.
        seed: Another one gives other drawings, in 0 .. 2^32 - 1.
        size_px: Side; the same scenes at another one.

    Returns:
        Images, uint8 [BATCH, size_px, size_px, 3].
    """
    # A last 0 is no part of what NumPy makes of a key: seed 0 is the set without a seed.
    draws = RandomNumbers((VERSION, kind, number, seed), BATCH)
    canvas = Canvas(draws, size_px)
    KINDS[CLASSES[kind]](canvas, draws)
    return canvas.finish()


class Drawings:
    """A sequence of drawings without end, drawn as they are asked for; the kinds take turns.

    Safe to be read by several threads, which then draw different batches. Only the latest batches are kept, so it
    should be read about in order.

    Args:
        seed: As for `draw_batch`.
        size_px: As for `draw_batch`.
    """

    def __init__(self, *, seed: int = 0, size_px: int = SIZE_PX) -> None:
        self._seed = seed
        self._size_px = size_px
        self._lock = threading.Lock()
        self._batches: OrderedDict[tuple[int, int], Future[np.ndarray]] = OrderedDict()

    def __getitem__(self, index: int) -> np.ndarray:
        """The drawing of that number, uint8 [size_px, size_px, 3]; its label is `index % len(CLASSES)`."""
        place, kind = divmod(index, len(CLASSES))
        number, within = divmod(place, BATCH)
        with self._lock:
            batch = self._batches.get((kind, number))
            is_mine = batch is None
            if batch is None:
                batch = self._batches[kind, number] = Future()
                if len(self._batches) > _KEPT_BATCHES:
                    self._batches.popitem(last=False)
        if is_mine:
            try:
                batch.set_result(draw_batch(kind, number, seed=self._seed, size_px=self._size_px))
            except BaseException as error:
                batch.set_exception(error)
                raise
        return batch.result()[within]


def draw_small_set(
    count: int, *, seed: int = 0, size_px: int = SIZE_PX
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the beginning of a set, a second of one core for about 700 images of 32 px.

    Args:
        count: Images; fewer are the beginning of more.
        seed: As for `draw_batch`.
        size_px: As for `draw_batch`.

    Returns:
        Images, uint8 [count, size_px, size_px, 3], and labels, int64, into `CLASSES`. The kinds take turns.
    """
    drawings = Drawings(seed=seed, size_px=size_px)
    images = np.empty((count, size_px, size_px, 3), dtype=np.uint8)
    for index in range(count):
        images[index] = drawings[index]
    return images, np.arange(count, dtype=np.int64) % len(CLASSES)
