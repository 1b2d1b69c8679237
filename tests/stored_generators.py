"""Files of tiny generators."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from adavit.runs.generator_file import StoredGenerator, read_generator, save_generator
from tests.networks import GENERATOR, make_generator

TINY: dict[str, Any] = {
    **GENERATOR,
    "resolution": 16,
    "latent_dim": 8,
    "style_dim": 6,
    "channel_base": 64,
    "channel_max": 5,
}
CLASSES = ("cat", "dog", "cow")


def store_generator(
    path: Path,
    *,
    seed: int = 0,
    images: int = 1000,
    stretch: float | None = None,
    config: Mapping[str, Any] | None = None,
    classes: Sequence[str] = CLASSES,
    label_counts: Sequence[int] = (3, 0, 1),
    **changes: Any,
) -> Path:
    """Writes a file of random weights, biases and average, the noise strong enough to be seen.

    Args:
        path: Of the file.
        seed: Of the weights.
        images: Seen, as the file says.
        stretch: Likewise.
        config: Settings of the run that it says it is of.
        classes: Their names, of which it has as many as `changes` say.
        label_counts: Training images of each.
        changes: Of its sizes; up to three classes.
    """
    arguments = {**TINY, **changes}
    classes = tuple(classes[: arguments["num_classes"]])
    torch.manual_seed(seed)
    generator = make_generator(**arguments).eval()
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.strength"):
            torch.nn.init.constant_(parameter, 0.3)
    torch.nn.init.normal_(generator.w_average, std=0.1)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    save_generator(
        path,
        generator,
        arguments=arguments,
        config=config or {},
        data_fingerprint="ab" * 32,
        images=images,
        metric=None,
        classes=classes,
        label_counts=list(label_counts[: len(classes)]) or None,
        stretch=stretch,
    )
    return path


def stored_generator(folder: Path, **changes: Any) -> StoredGenerator:
    """The same, read again."""
    return read_generator(store_generator(folder / "generator.safetensors", **changes))
