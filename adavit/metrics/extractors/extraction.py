"""Features of many images: in batches, interruptible, with progress."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from adavit.metrics.extractors.extractor import FeatureExtractor

Progress = Callable[[int], None]
ShouldStop = Callable[[], bool]


class Interrupted(Exception):  # not ...Error: the user asked for it
    """The caller asked to stop in the middle of an evaluation; nothing was recorded."""


def extract_features(
    extractor: FeatureExtractor,
    batches: Iterable[Tensor | np.ndarray],
    *,
    batch: int | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """Features of all images of some batches.

    Args:
        extractor: The network.
        batches: Images uint8 [B, C, H, W] each; B may differ and may exceed `batch`.
        batch: Images per call of the extractor. None takes the extractor's own.
        progress: Called after each call of the extractor with the number of images done so far.
        should_stop: Asked before each call of the extractor.

    Returns:
        Features [N, F], float32, on the CPU; N = 0 without images.

    Raises:
        Interrupted: If `should_stop` returned True.
        UserError: If a batch does not hold images.
    """
    parts: list[Tensor] = []
    done = 0
    for images in batches:
        for chunk in torch.as_tensor(images).split(batch or extractor.batch):
            if should_stop is not None and should_stop():
                raise Interrupted(f"stopped after {done} images")
            parts.append(extractor(chunk).cpu())
            done += len(chunk)
            if progress is not None:
                progress(done)
    return torch.cat(parts) if parts else torch.zeros(0, extractor.features)


def array_batches(images: np.ndarray, batch: int) -> Iterator[Tensor]:
    """Consecutive batches of an array of images.

    Args:
        images: Images [N, C, H, W], uint8; may be memory-mapped and read-only.
        batch: Images per batch, >= 1.

    Yields:
        Copies [B, C, H, W], uint8, on the CPU.
    """
    for start in range(0, len(images), batch):
        yield torch.from_numpy(
            np.array(images[start : start + batch])
        )  # torch wants writable memory
