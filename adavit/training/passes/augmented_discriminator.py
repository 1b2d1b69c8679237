"""The augmented discriminator D(T(x)): every image passes the augmentation, in the precision of the run."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from adavit.augment import Pipe
from adavit.augment.pipe import PipeParameters, part_of
from adavit.models.convolution import fast_second_derivatives
from adavit.models.names import Side
from adavit.runtime.precision import forward_precision, without_autocast
from adavit.training.passes.streams import replay


@dataclass(frozen=True)
class View:
    """Augmented images, with what lets others be augmented in the same way.

    Attributes:
        images: T(x) [B, C, H, W], float32.
        prepared: T, as the pipe takes it.
        drawn: What was drawn of the pass besides, as arguments of the discriminator, such as the patches it sees.
        stream: The generator that drew both.
        state: Its state before it drew for the pipe's extra operations; None where there are none.
    """

    images: Tensor
    prepared: PipeParameters
    drawn: dict[str, Any]
    stream: torch.Generator
    state: Tensor | None


class Discriminator(Protocol):
    """What a network needs to be a discriminator.

    `ResNetDiscriminator`, `ViTDiscriminator` and `ProjectedDiscriminator` are ones.
    """

    def judge(
        self,
        images: Tensor,
        labels: Tensor | None,
        *,
        twice_differentiable: bool = False,
        **drawn: Any,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What is seen of images [B, C, H, W] in [-1, 1] and their classes [B].

        Returns:
            Logits [B] or, of places, [B, P], and what each of its last layers, in the order of its modules, read
            them of.
        """
        ...

    def draw_pass(self, batch: int, side: Side, generator: torch.Generator) -> dict[str, Any]:
        """What is random in a training pass, such as the patches it looks at, to be given as `drawn`."""
        ...


def per_image(values: Tensor) -> Tensor:
    """Means [B] of what was computed at the places of each image [B, P]; values [B] as they are."""
    return values if values.ndim == 1 else values.mean(dim=1)


class AugmentedDiscriminator:
    """D(T(x)): every image reaches the discriminator through the pipe.

    Attributes:
        network: The discriminator itself.

    Args:
        network: A `Discriminator`.
        pipe: Augmentation of everything the discriminator sees.
        autocast: Type of the networks' arithmetic, or None for float32.
    """

    def __init__(self, network: nn.Module, pipe: Pipe, autocast: torch.dtype | None) -> None:
        self.network = network
        self.pipe = pipe
        self.autocast = autocast

    def view(self, images: Tensor, stream: torch.Generator, side: Side = "real") -> View:
        """Images [B, C, H, W] of a side through the pipe at its present p, with fresh draws from `stream`."""
        return self.views({side: images}, stream)[side]

    def views(self, images: Mapping[Side, Tensor], stream: torch.Generator) -> dict[Side, View]:
        """Images of several sides, all of one shape [B, C, H, W], as `view` shows them; the pipe draws for all at once.

        Its small numbers are a third of a step's operations, and so are no more for two sides than for one.
        """
        first = next(iter(images.values()))
        each, device = len(first), first.device
        shape = (each * len(images), *first.shape[1:])
        with without_autocast(device):
            parameters = self.pipe.sample(shape, stream, device)
            prepared = self.pipe.prepare(parameters, shape)
        shown = {}
        for number, (side, own) in enumerate(images.items()):
            part = part_of(prepared, slice(number * each, (number + 1) * each))
            state = stream.get_state() if self.pipe.extra.enabled else None
            augmented = self._augmented(own, part, stream)
            drawn = cast(Discriminator, self.network).draw_pass(each, side, stream)
            shown[side] = View(augmented, part, drawn, stream, state)
        return shown

    def view_alike(self, images: Tensor, view: View) -> View:
        """Augments other images [B, C, H, W] with exactly the draws of `view`: operations, noise, and the network's."""
        again = view.stream if view.state is None else replay(view.stream, view.state)
        return replace(view, images=self._augmented(images, view.prepared, again))

    def _augmented(
        self, images: Tensor, prepared: PipeParameters, stream: torch.Generator
    ) -> Tensor:
        with without_autocast(images.device):
            augmented = self.pipe.transform_prepared(images.float(), prepared)
            if self.pipe.extra.enabled:
                augmented = self.pipe.extra(augmented, self.pipe.p, stream)
        return augmented

    def logits(self, view: View, labels: Tensor | None) -> Tensor:
        """Logits [B] or [B, P], float32, of augmented images. Their gradient cannot be differentiated again."""
        return self.judge(view, labels)[0]

    def judge(
        self, view: View, labels: Tensor | None, *, twice_differentiable: bool = False
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The same, and what each last layer read them of.

        Args:
            view: The images.
            labels: Their classes [B], or None.
            twice_differentiable: Whether the gradient can be differentiated again, and fast.
        """
        options = {"twice_differentiable": True} if twice_differentiable else {}
        fast = fast_second_derivatives() if twice_differentiable else contextlib.nullcontext()
        judge = cast(Discriminator, self.network).judge
        with self.precision(view.images.device), fast:
            logits, vectors = judge(view.images, labels, **view.drawn, **options)
        return logits.float(), vectors

    def precision(self, device: torch.device) -> torch.autocast:
        """The context in which the networks run."""
        return forward_precision(device, self.autocast)
