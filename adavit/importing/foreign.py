"""A network of others, by the names that its tensors have in StyleGAN2-ADA's PyTorch form."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from adavit.errors import shown
from adavit.importing.records import UnreadablePickle
from adavit.importing.tensors import number_of
from adavit.models.limits import LR_MULTIPLIERS
from adavit.runs.stored_network import build_stored
from adavit.runs.weights_file import UNUSABLE
from adavit.runtime.wording import listed

LARGEST_NETWORK_BYTES = 2**30
"""Of all tensors of a network; those of 1024 px have an eighth of it."""

LARGEST_SIDE = 1024
"""Of images in pixels, as `data.resolution` has it."""

FILTER = (1.0, 3.0, 3.0, 1.0)
"""The taps of the filter that StyleGAN2's networks resample with; ours know no other."""

ACTIVATION, NO_ACTIVATION = "lrelu", "linear"

Module = TypeVar("Module", bound=nn.Module)


class NoCounterpart(ValueError):
    """A network cannot be one of ours; the message says what it is, and what it would have to be."""


@dataclass(frozen=True)
class ForeignNetwork:
    """A network as its file describes it.

    Attributes:
        values: What reads each tensor, by its name.
        activations: Of layers, by the layer's name, as far as the file says.
        filters: Taps of the filters that it resamples with, likewise.
        settings: What it was built with, by the names of NVIDIA's code in one flat table; as far as the file says.
    """

    values: Mapping[str, Callable[[], Tensor]]
    activations: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[tuple[float, ...], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def clamp(self) -> float | None:
        """Where the features of its layers are cut off, in 16 bits at least; None if nowhere, or not said."""
        given = number_of(self.settings.get("conv_clamp"))
        return float(given) if given else None

    def rate(self, usual: float) -> float:
        """Factor on the learning rate of its mapping network.

        Args:
            usual: Where its file does not say.

        Raises:
            NoCounterpart: If it is none.
        """
        given = number_of(self.settings.get("lr_multiplier"))
        found = usual if given is None else float(given)
        low, high = LR_MULTIPLIERS
        if not low <= found <= high:
            raise NoCounterpart(f"its lr_multiplier is {found:g}, expected {low:g} to {high:g}")
        return found

    def numbered(self, before: str) -> int:
        """How many of its layers are called `before` and a number from 0 on."""
        count = 0
        while f"{before}{count}.weight" in self.values:
            count += 1
        return count

    def check(self, linear: tuple[str, ...]) -> None:
        """Refuses layers and filters that ours do not have.

        Args:
            linear: Ends of the names of layers without an activation.

        Raises:
            NoCounterpart: Naming the first.
        """
        for layer, found in self.activations.items():
            wanted = NO_ACTIVATION if layer.endswith(linear) else ACTIVATION
            if found != wanted:
                raise NoCounterpart(
                    f"its {layer[:100]} has the activation {shown(found)}, expected {wanted!r}"
                )
        for taps in self.filters:
            if len(taps) != len(FILTER) or not all(
                abs(one - other / sum(FILTER)) <= 1e-6  # NaN is not
                for one, other in zip(_normalised(taps), FILTER, strict=True)
            ):
                raise NoCounterpart(
                    f"it resamples with the filter {list(taps)}, expected 1, 3, 3, 1"
                )

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The tensors of these names.

        Args:
            names: All that it may have, but for its filters.

        Raises:
            NoCounterpart: If it lacks one, or has another.
            UnreadablePickle: If one is damaged, or they are too large.
        """
        wanted = dict.fromkeys(names)
        absent = [name[:100] for name in wanted if name not in self.values]
        if absent:
            raise NoCounterpart(f"it lacks {listed(absent)}, which StyleGAN2's has")
        further = [name[:100] for name in self.values if name not in wanted]
        if further:
            raise NoCounterpart(f"it has {listed(further)}, which StyleGAN2's does not have")
        found: dict[str, Tensor] = {}
        total = 0
        for name in wanted:
            found[name] = self.values[name]()
            total += 4 * found[name].numel()
            if total > LARGEST_NETWORK_BYTES:
                raise UnreadablePickle(f"a network has over {LARGEST_NETWORK_BYTES >> 20:,} MB")
            if not bool(torch.isfinite(found[name]).all()):
                raise UnreadablePickle(f"weights of {name} are not finite")
        return found


@dataclass(frozen=True)
class Converted(Generic[Module]):
    """A network of ours with the weights of another.

    Attributes:
        network: In evaluation mode, without gradients.
        arguments: Keyword arguments that built it.
        notes: What differs all the same, in sentences.
    """

    network: Module
    arguments: dict[str, Any]
    notes: tuple[str, ...]


def converted(
    network: ForeignNetwork,
    kind: Callable[..., Module],
    arguments: dict[str, Any],
    state: dict[str, Tensor],
) -> Converted[Module]:
    """A network of ours with weights by our names.

    Args:
        network: Whose weights they were.
        kind: Class of ours.
        arguments: Of its constructor, by name.
        state: Of the network that this makes.

    Raises:
        NoCounterpart: If the weights are not of these sizes.
    """
    try:
        made = build_stored(lambda: kind(**arguments), state)
    except UNUSABLE as error:
        raise NoCounterpart(f"it has other sizes than StyleGAN2's: {error}") from None
    notes = differences(network.clamp, bool(network.settings.get("num_fp16_res")))
    return Converted(made.eval().requires_grad_(False), arguments, notes)


def channels_of(widths: Mapping[int, int]) -> dict[str, int]:
    """`channel_base` and `channel_max` that give the channels of a network.

    Args:
        widths: Channels by side in pixels.

    Raises:
        NoCounterpart: If there are none.
    """
    most = max(widths.values())
    base = max(width * side for side, width in widths.items())
    if any(min(base // side, most) != width for side, width in widths.items()):
        shown = ", ".join(f"{width} at {side}" for side, width in sorted(widths.items()))
        raise NoCounterpart(
            f"it has channels of {shown} px, expected min(base / side, most) of two numbers"
        )
    return {"channel_base": base, "channel_max": most}


def inputs_of(weight: Tensor, axes: int) -> int:
    """Channels that a layer takes.

    Args:
        weight: Of the layer, [out, in] or [out, in, height, width].
        axes: Which of the two it has to be: 2 or 4.

    Raises:
        NoCounterpart: If it has another number of axes.
    """
    if weight.ndim != axes:
        raise NoCounterpart(f"it has a layer of {weight.ndim} axes, expected {axes}")
    return weight.shape[1]


def sides_up_to(resolution: int) -> list[int]:
    """4, 8, 16, ... up to it.

    Raises:
        NoCounterpart: If it is none of them, or too large.
    """
    sides = [4 << k for k in range(9)]
    if resolution not in sides:
        raise NoCounterpart(f"it is of {resolution} px, expected 4, 8, ... {LARGEST_SIDE}")
    return sides[: sides.index(resolution) + 1]


def differences(clamp: float | None, half: bool) -> tuple[str, ...]:
    """What is to be said of a network whose weights are the same.

    Args:
        clamp: See `ForeignNetwork.clamp`.
        half: Whether it was calculated in 16 bits.
    """
    notes = []
    if clamp is not None:
        notes.append(
            f"Its layers cut features off at {clamp:g}, which ours do not; where features are larger, as in rare"
            " pixels of networks trained in 16 bits, results differ."
        )
    if half:
        notes.append("It was trained in 16 bits at high resolutions; here it calculates in 32.")
    return tuple(notes)


def _normalised(taps: tuple[float, ...]) -> list[float]:
    total = sum(taps) or 1.0
    return [tap / total for tap in taps]
