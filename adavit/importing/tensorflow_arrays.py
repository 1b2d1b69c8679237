"""Networks of TensorFlow's StyleGAN2 and StyleGAN2-ADA: arrays by name, renamed and turned to those of PyTorch's form.

A network is a state of `variables`, pairs of name and array, of `components`, networks in it, and of `static_kwargs`,
what it was built with. Dense layers there are [in, out], convolutions [height, width, in, out]; the upsampling one is
flipped, and the bias of a modulation counts from 1.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from adavit.importing.foreign import ForeignNetwork
from adavit.importing.records import Record, UnreadablePickle, entries_of, name_within
from adavit.importing.tensors import number_of, tensor_of
from adavit.importing.torch_modules import MOST_TAPS

Turn = Callable[[Tensor], Tensor]

_KEYS = {"variables", "static_kwargs", "components"}
MOST_PARTS = 2000
"""Arrays, settings and components of a network, however often they are named; those of 1024 px have two hundred."""

_SETTINGS = {
    "nonlinearity": "activation",
    "mapping_lrmul": "lr_multiplier",
    "resample_kernel": "resample_filter",
    "mbstd_num_features": "mbstd_num_channels",
}
"""Names of arguments that PyTorch's form has renamed."""

_IGNORED = re.compile(r"(?:.*/)?(?:lod|synthesis/lod)")


def _as_is(array: Tensor) -> Tensor:
    return array


def _dense(array: Tensor) -> Tensor:
    return array.permute(1, 0).contiguous()


def _kernel(array: Tensor) -> Tensor:
    return array.permute(3, 2, 0, 1).contiguous()


def _flipped(array: Tensor) -> Tensor:
    return _kernel(array.flip(0, 1))


def _from_one(array: Tensor) -> Tensor:
    return array + 1


_LAYER: dict[str, tuple[str, Turn]] = {
    "weight": ("weight", _kernel),
    "bias": ("bias", _as_is),
    "noise_strength": ("noise_strength", _as_is),
    "mod_weight": ("affine.weight", _dense),
    "mod_bias": ("affine.bias", _from_one),
}
"""Parts of a convolution."""

_DENSE: dict[str, tuple[str, Turn]] = {"weight": ("weight", _dense), "bias": ("bias", _as_is)}

_SYNTHESIS = {
    "Conv": "conv1",
    "Conv0_up": "conv0",
    "Conv1": "conv1",
    "ToRGB": "torgb",
    "Skip": "skip",
}
_JUDGING = {
    **{"FromRGB": "fromrgb", "Conv0": "conv0", "Conv1_down": "conv1", "Skip": "skip"},
    "Conv": "conv",
}


def tensorflow_network(value: Any) -> ForeignNetwork | None:
    """The network that a record describes; None if it describes none.

    Args:
        value: As `adavit.importing.machine.Machine` has read it.

    Raises:
        UnreadablePickle: If it is damaged.
    """
    if not isinstance(value, Record) or not entries_of(value.state).keys() >= _KEYS:
        return None
    arrays, settings = _collected(value)
    is_generator = any(name.startswith(("mapping/", "synthesis/")) for name in arrays)
    rename = _of_generator if is_generator else _of_discriminator
    values: dict[str, Callable[[], Tensor]] = {}
    for name, array in arrays.items():
        if _IGNORED.fullmatch(name):
            continue
        new, turn = rename(name) or (name, _as_is)  # one of another kind is refused by its own name
        values[new] = _turned(array, turn)
    # What TensorFlow's discriminator has where nothing is said; its generator has what PyTorch's has.
    facts = settings if is_generator else {"lr_multiplier": 0.1, **settings}
    activation, filters = facts.get("activation"), facts.get("resample_filter")
    return ForeignNetwork(
        values,
        {"settings": activation} if isinstance(activation, str) else {},
        (tuple(float(number_of(tap) or 0) for tap in filters[:MOST_TAPS]),)
        if isinstance(filters, list | tuple)
        else (),
        facts,
    )


def _collected(network: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays of a network and of its components, by their names with those of the components before them."""
    arrays: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    waiting, count = [("", network)], 0
    while waiting:
        before, part = waiting.pop()
        state = entries_of(part.state)
        known = entries_of(state.get("static_kwargs"))
        components = entries_of(state.get("components"))
        variables = state.get("variables")
        variables = variables if isinstance(variables, list) else []
        count += 1 + len(known) + len(components) + len(variables)
        if count > MOST_PARTS:
            raise UnreadablePickle(f"a network has more than {MOST_PARTS:,} parts")
        for name, value in known.items():
            settings.setdefault(_SETTINGS.get(name, name), value)
        for pair in variables:
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise UnreadablePickle(
                    "a network has variables that are not pairs of name and array"
                )
            arrays[name_within(before, pair[0])] = pair[1]
        for name, component in components.items():
            if isinstance(component, Record):
                waiting.append((f"{name_within(before, name)}/", component))
    return arrays, settings


def _of_generator(name: str) -> tuple[str, Turn] | None:
    if name == "dlatent_avg":
        return "mapping.w_avg", _as_is
    if found := re.fullmatch(r"mapping/(LabelEmbed|Dense(\d+))/(weight|bias)", name):
        layer = "embed" if found[2] is None else f"fc{found[2]}"
        part, turn = _DENSE[found[3]]
        return f"mapping.{layer}.{part}", turn
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", lambda array: array[0]
    if found := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
        number = int(found[1])  # of the first block one, of each further one two
        layer = "conv0" if number % 2 else "conv1"
        return f"synthesis.b{4 << (number + 1) // 2}.{layer}.noise_const", lambda array: array[0, 0]
    if found := re.fullmatch(r"synthesis/(\d+)x\1/(\w+)/(\w+)", name):
        layer = _SYNTHESIS.get(found[2], "")
        if layer and found[3] in _LAYER:
            part, turn = _LAYER[found[3]]
            if (found[2], found[3]) == ("Conv0_up", "weight"):
                turn = _flipped
            return f"synthesis.b{found[1]}.{layer}.{part}", turn
    return None


def _of_discriminator(name: str) -> tuple[str, Turn] | None:
    if found := re.fullmatch(r"(LabelEmbed|Output|Mapping(\d+)|4x4/Dense0)/(weight|bias)", name):
        layers = {"LabelEmbed": "mapping.embed", "Output": "b4.out", "4x4/Dense0": "b4.fc"}
        part, turn = _DENSE[found[3]]
        return f"{layers.get(found[1], f'mapping.fc{found[2]}')}.{part}", turn
    if found := re.fullmatch(r"(\d+)x\1/(\w+)/(weight|bias)", name):
        layer = _JUDGING.get(found[2])
        if layer is not None:
            part, turn = _LAYER[found[3]]
            return f"b{found[1]}.{layer}.{part}", turn
    return None


def _turned(array: Any, turn: Turn) -> Callable[[], Tensor]:
    def read() -> Tensor:
        try:
            return torch.as_tensor(turn(tensor_of(array))).contiguous()
        except (RuntimeError, IndexError) as error:  # of other axes
            raise UnreadablePickle(f"it is damaged: an array of other axes ({error})") from None

    return read
