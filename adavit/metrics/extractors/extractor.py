"""What a feature extractor is, the conversions that all extractors share, and features of many images.

A metric compares two sets of images by the features that one fixed network gives them. The name of
the network belongs to the number: only torch-fidelity's Inception may call its distance `fid`,
every other extractor carries a suffix (`adavit.metrics.names`).
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from adavit.errors import UserError

Progress = Callable[[int], None]
ShouldStop = Callable[[], bool]

PIXELS = 2**23
"""Pixels that an extractor takes at a time: 2,048 images of 64 px, 128 of 256 px, 8 of 1024 px. Before it makes them
small it holds them as float32 several times over: 2,000 images of 1024 px took 76 GiB, so many pixels take 0.3 GiB.
Other batches change features by rounding (2e-6), so the bound leaves alone what images of up to 64 px come in."""


class Interrupted(Exception):  # not ...Error: the user asked for it
    """The caller asked to stop in the middle of an evaluation; nothing was recorded."""


class FeatureExtractor(Protocol):
    """A fixed network from images to features; it draws no random numbers and keeps no state.

    Attributes:
        name: Short name, for example "inception" or "random"; recorded names
            end with it where a figure has another reference extractor.
        weights_digest: sha256 of the weights, 64 hexadecimal digits.
        learned_from: What its weights were trained on, one of those in `adavit.metrics.kinship`.
        features: Number of features F per image.
        resize: How images are brought to the size the network sees, for the record.
        device: Where the network is, and where its features are returned.
        batch: Images per call that are fastest on this device, as long as they are small (`PIXELS`).
    """

    name: str
    weights_digest: str
    learned_from: str
    features: int
    resize: str
    device: torch.device
    batch: int

    def __call__(self, images: Tensor) -> Tensor:
        """Features [B, F], float32 on `device`, of images uint8 [B, C, H, W] with C in 1, 3, 4."""
        ...


@runtime_checkable
class SmoothExtractor(Protocol):
    """An extractor that also takes images before they are rounded, as path lengths need."""

    def of_unrounded(self, images: Tensor) -> Tensor:
        """Features [B, F], float32, of images float32 [B, C, H, W] with C in 1, 3, in [-1, 1]."""
        ...


@runtime_checkable
class ClassifyingExtractor(Protocol):
    """An extractor whose features lead to class logits, as the Inception score needs."""

    def logits(self, features: Tensor) -> Tensor:
        """Logits [B, K], float32, of its own features [B, F]."""
        ...


@dataclass(frozen=True)
class Recognised:
    """What a network sees in images.

    Attributes:
        kinds: Index of the kind of thing in each image, int64 [N]; -1 where none is recognised.
        attributes: Bin of each attribute of it, int64 [N, A]; of no meaning where none is recognised.
    """

    kinds: Tensor
    attributes: Tensor


@runtime_checkable
class RecognisingExtractor(Protocol):
    """An extractor that knows all kinds of thing that there are.

    Attributes:
        kinds: Their names.
    """

    kinds: tuple[str, ...]

    def knows(self, channels: int, height: int, width: int) -> bool:
        """Whether real things are recognised in images of that shape."""
        ...

    def recognise(self, features: Tensor) -> Recognised:
        """What is seen in images, from its own features of them [N, F]."""
        ...


def as_rgb(images: Tensor) -> Tensor:
    """Images as every extractor sees them: grey repeated three times, RGBA composited on black.

    Args:
        images: Images [B, C, H, W], uint8, C in 1 (grey), 3 (RGB), 4 (RGB and straight alpha). Not
            modified.

    Returns:
        Images [B, 3, H, W], uint8, on the device of `images`.

    Raises:
        UserError: If `images` is not uint8 or has another shape.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3, 4):
        raise UserError(
            f"images have shape {tuple(images.shape)} and type {images.dtype}, but metrics need "
            "uint8 [B, C, H, W] with 1 (grey), 3 (RGB) or 4 (RGBA) channels. Convert them first."
        )
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1)
    if images.shape[1] == 3:
        return images
    color, alpha = images[:, :3].to(torch.int32), images[:, 3:].to(torch.int32)
    return ((color * alpha + 127) // 255).to(torch.uint8)  # rounded as in integer compositing


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 of names, types, shapes and bytes of tensors, in the order of their names.

    Args:
        tensors: Tensors of any type and device, by name.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Full float32, deterministic kernels, no gradients, no autocast; put back afterwards.

    Training may run with TF32, autocast and cuDNN's search for the fastest kernel. Each of them
    would change a metric by the machine it was measured on.
    """
    # The switches per operation, since the older `allow_tf32` cannot be read back when a program
    # mixes both kinds.
    backends: Any = torch.backends  # whose types do not know all of the switches
    changes: list[tuple[Any, str, Any]] = [
        (backends.cudnn.conv, "fp32_precision", "ieee"),
        (backends.cuda.matmul, "fp32_precision", "ieee"),
        (backends.mkldnn.conv, "fp32_precision", "ieee"),
        (backends.mkldnn.matmul, "fp32_precision", "ieee"),
        (backends.cudnn, "deterministic", True),
        (backends.cudnn, "benchmark", False),
    ]
    with ExitStack() as stack:
        for owner, attribute, value in changes:
            stack.callback(setattr, owner, attribute, getattr(owner, attribute))
            setattr(owner, attribute, value)
        stack.enter_context(torch.inference_mode())
        accelerator = torch.accelerator.current_accelerator()
        for device_type in ("cpu", *([] if accelerator is None else [accelerator.type])):
            stack.enter_context(torch.autocast(device_type, enabled=False))
        yield


class FloatExtractor(ABC):
    """Base of the extractors whose network takes float images: brings whole and unrounded pixels to its range.

    Attributes:
        device: Where the network is, and where its features are returned.
        pixel_range: What black and white are to the network.
    """

    device: torch.device
    pixel_range: tuple[float, float]

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: Images [B, C, H, W], uint8, C in 1, 3, 4, any device.

        Returns:
            Features [B, F], float32, on `device`.

        Raises:
            UserError: If `images` is not such a tensor.
        """
        black, white = self.pixel_range
        with exact_arithmetic():
            pixels = as_rgb(images.to(self.device)).to(torch.float32)
            return self._extract(pixels / (255 / (white - black)) + black)

    def of_unrounded(self, images: Tensor) -> Tensor:
        """Features of images that were not rounded to whole pixel values.

        Args:
            images: Images [B, C, H, W], float32, in [-1, 1], C in 1, 3, any device.

        Returns:
            Features [B, F], float32, on `device`.
        """
        with exact_arithmetic():
            return self.with_gradients(images)

    def with_gradients(self, images: Tensor) -> Tensor:
        """The same features, through which gradients flow, in whatever arithmetic is set."""
        black, white = self.pixel_range
        pixels = images.to(self.device).expand(-1, 3, -1, -1)
        if self.pixel_range != (-1, 1):
            pixels = (pixels + 1) * ((white - black) / 2) + black
        return self._extract(pixels)

    @abstractmethod
    def _extract(self, images: Tensor) -> Tensor:
        """Features [B, F] of images float32 [B, 3, H, W] in `pixel_range`."""


def images_per_call(batch: int, shape: Sequence[int]) -> int:
    """Images of one shape that are read and seen at a time: `batch`, or as many as have `PIXELS` pixels, at least one.

    Args:
        batch: The most.
        shape: Of some of them or of one, ending in height and width.
    """
    return min(batch, max(1, PIXELS // math.prod(shape[-2:])))


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
        batch: The most images per call of the extractor, of large ones fewer (`PIXELS`). None takes the extractor's
            own.
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
        whole = torch.as_tensor(images)
        for chunk in whole.split(images_per_call(batch or extractor.batch, whole.shape)):
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
        batch: The most images per batch, >= 1, of large ones fewer (`PIXELS`).

    Yields:
        Copies [B, C, H, W], uint8, on the CPU.
    """
    size = images_per_call(batch, images.shape)
    for start in range(0, len(images), size):
        yield torch.from_numpy(
            np.array(images[start : start + size])
        )  # torch wants writable memory
