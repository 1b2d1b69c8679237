"""A generator, or a part of one, as a module without anything of training: what every format is made of."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adavit.errors import UserError
from adavit.models import Generator
from adavit.publishing import plain_generator
from adavit.publishing.plain_generator import Sizes, Weights

BATCH = "batch"
"""What the axis of the images is called."""

LATENTS, LABELS, TRUNCATION, STYLES, IMAGES = "latents", "labels", "truncation", "w", "images"
"""Names of inputs and outputs."""


@dataclass(frozen=True)
class Part:
    """What one file computes.

    Attributes:
        ending: Of its name, after that of the file of the whole generator.
        begins: Whether it takes latents; else styles.
        ends: Whether it gives images; else styles.
        compute: From weights, sizes and inputs to the output.
        prefixes: Of the names of the weights that it needs.
    """

    ending: str
    begins: bool
    ends: bool
    compute: Callable[..., Tensor]
    prefixes: tuple[str, ...]

    def inputs(self, sizes: Sizes) -> tuple[str, ...]:
        """Names of the inputs, in their order."""
        if not self.begins:
            return (STYLES,)
        return (LATENTS, *([LABELS] if sizes["num_classes"] else []), TRUNCATION)

    @property
    def output(self) -> str:
        """Name of the output."""
        return IMAGES if self.ends else STYLES


def _without_labels(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function for a generator that may have no classes: its labels are then not among the inputs."""

    def call(weights: Weights, sizes: Sizes, latents: Tensor, *others: Tensor) -> Tensor:
        *labels, truncation = others
        return compute(weights, sizes, latents, labels[0] if labels else None, truncation)

    return call


WHOLE = Part("", True, True, _without_labels(plain_generator.draw), ("",))
MAPPING = Part(
    "-mapping", True, False, _without_labels(plain_generator.mapping), ("mapping.", "w_average")
)
SYNTHESIS = Part("-synthesis", False, True, plain_generator.synthesis, ("synthesis.",))


class ExportedNetwork(nn.Module):
    """A part of a generator: tensors in the order of `Part.inputs` to its output.

    Args:
        part: Which.
        weights: Tensors of the generator file by name.
        sizes: Arguments of its network.
        half: Whether weights are kept in float16; what is computed with them is float32 all the same.

    Raises:
        UserError: If a weight is too large for float16.
    """

    def __init__(self, part: Part, weights: Weights, sizes: Sizes, *, half: bool) -> None:
        super().__init__()
        self.part, self.sizes, self.half_weights = part, sizes, half
        self.buffer_names = {
            name: name.replace(".", "_") for name in weights if name.startswith(part.prefixes)
        }
        for name, buffer in self.buffer_names.items():
            kept = weights[name].half() if half else weights[name]
            if not kept.isfinite().all():
                raise UserError(
                    f"--half cannot hold the weights of {name}, the largest of which is"
                    f" {float(weights[name].abs().max()):g}, expected at most"
                    f" {torch.finfo(torch.float16).max:g}. Leave --half out."
                )
            self.register_buffer(buffer, kept)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Styles [B, L, W] or images [B, C, H, W], float32."""
        weights = {
            name: self.get_buffer(buffer).float() for name, buffer in self.buffer_names.items()
        }
        return self.part.compute(weights, self.sizes, *inputs)

    def input_names(self) -> tuple[str, ...]:
        """See `Part.inputs`."""
        return self.part.inputs(self.sizes)

    def has_batch(self) -> list[bool]:
        """Whether the first axis of each input is that of the images."""
        return [name != TRUNCATION for name in self.input_names()]


def expected_output(generator: Generator, part: Part, inputs: dict[str, Tensor]) -> Tensor:
    """What the network of adavit makes of inputs, to compare with.

    Args:
        generator: In evaluation mode.
        part: Which of its parts.
        inputs: By name.

    Returns:
        As `ExportedNetwork.forward`.
    """
    if not part.begins:
        images: Tensor = generator.synthesis(inputs[STYLES])
        return images
    w = generator.mapping(inputs[LATENTS], inputs.get(LABELS))
    w = torch.lerp(generator.w_average, w, inputs[TRUNCATION])
    return generator.synthesis(w) if part.ends else _of_each_layer(w, generator)


def _of_each_layer(w: Tensor, generator: Generator) -> Tensor:
    return w[:, None].expand(-1, generator.synthesis.style_count, -1)
