"""Network pickles as NVIDIA's code writes them, made of random weights: nothing of that code is needed to write them.

What would be called when they are loaded by Python itself are functions of this file under other names, which fail.
"""

import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

BUFFERS = ("resample_filter", "noise_const", "w_avg")
SETTINGS: dict[str, Any] = {
    "training": False,
    "_non_persistent_buffers_set": set(),
    "_backward_hooks": OrderedDict(),
}


def _must_not_run(*_: object) -> Any:
    raise AssertionError("a pickle was run")


class EasyDict(dict):
    """Pickled as NVIDIA's dictionary of that name."""


class Network:
    """Pickled as TensorFlow's networks are; `state` are its attributes."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)

    def __setstate__(self, state: object) -> None:
        _must_not_run()


class Persistent:
    """Pickled as modules are that carry their source code."""

    def __init__(self, name: str, state: dict[str, Any]) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": f"raise AssertionError('the source of {name} was run')",
            "class_name": name,
            "state": state,
        }

    def __reduce__(self) -> Any:
        return _must_not_run, (self.meta,), None


_ELSEWHERE: dict[str, dict[str, Any]] = {
    "torch_utils.persistence": {"_reconstruct_persistent_obj": _must_not_run},
    "dnnlib.util": {"EasyDict": EasyDict},
    "dnnlib.tflib.network": {"Network": Network},
}


@contextmanager
def _under_other_names() -> Iterator[None]:
    """While entered, pickle finds these functions and classes where NVIDIA's lie, and names them so."""
    before, named = dict(sys.modules), []
    made = {parent for module in _ELSEWHERE for parent in _with_parents(module)}
    try:
        sys.modules.update({module: ModuleType(module) for module in made})
        for module, content in _ELSEWHERE.items():
            for name, value in content.items():
                named.append((value, value.__module__, value.__qualname__))
                value.__module__, value.__qualname__ = module, name
                setattr(sys.modules[module], name, value)
        yield
    finally:
        for value, *old in reversed(named):
            value.__module__, value.__qualname__ = old
        for module in made:
            del sys.modules[module]
            if module in before:
                sys.modules[module] = before[module]


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def dumped(value: Any, protocol: int = 4) -> bytes:
    """A pickle with NVIDIA's names in it."""
    with _under_other_names():
        return pickle.dumps(value, protocol=protocol)


def module_of(
    state: Mapping[str, Tensor],
    name: str = "Network",
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    path: str = "",
) -> Persistent:
    """A network with the tensors of a state dict.

    Args:
        state: By NVIDIA's names.
        name: Of its class.
        attributes: Plain ones of modules, by the module's path; "" is the network itself.
        path: Where it lies in the network.
    """
    parameters: OrderedDict[str, Any] = OrderedDict()
    buffers: OrderedDict[str, Any] = OrderedDict()
    inner: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        first, dot, rest = key.partition(".")
        if dot:
            inner.setdefault(first, {})[rest] = tensor
        elif key in BUFFERS:
            buffers[key] = tensor
        else:
            parameters[key] = torch.nn.Parameter(tensor, requires_grad=False)
    given = attributes or {}
    for known in [each for each in given if each.startswith(path) and each != path.rstrip(".")]:
        first = known.removeprefix(path).partition(".")[0]
        if first:
            inner.setdefault(first, {})
    modules = OrderedDict(
        (each, module_of(part, each, given, f"{path}{each}.")) for each, part in inner.items()
    )
    return Persistent(
        name,
        {
            **SETTINGS,
            **given.get(path.rstrip("."), {}),
            "_parameters": parameters,
            "_buffers": buffers,
            "_modules": modules,
        },
    )


def filter_taps() -> Tensor:
    """The filter that every layer keeps as a buffer."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return taps[:, None] * taps / 64


def generator_state(
    resolution: int = 16,
    *,
    channels: int = 8,
    classes: int = 0,
    dim: int = 16,
    layers: int = 2,
    image_channels: int = 3,
    seed: int = 0,
) -> dict[str, Tensor]:
    """A generator's state by NVIDIA's names."""
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    state = {"synthesis.b4.const": random(channels, 4, 4)}
    side = 4
    while side <= resolution:
        block = f"synthesis.b{side}"
        for layer in ("conv1",) if side == 4 else ("conv0", "conv1"):
            state |= {
                f"{block}.{layer}.weight": random(channels, channels, 3, 3),
                f"{block}.{layer}.noise_strength": random()[()] * 0.1,
                f"{block}.{layer}.bias": random(channels) * 0.1,
                f"{block}.{layer}.resample_filter": filter_taps(),
                f"{block}.{layer}.noise_const": random(side, side),
                f"{block}.{layer}.affine.weight": random(channels, dim),
                f"{block}.{layer}.affine.bias": 1 + 0.1 * random(channels),
            }
        state |= {
            f"{block}.torgb.weight": random(image_channels, channels, 1, 1),
            f"{block}.torgb.bias": random(image_channels) * 0.1,
            f"{block}.torgb.affine.weight": random(channels, dim),
            f"{block}.torgb.affine.bias": 1 + 0.1 * random(channels),
        }
        side *= 2
    state["mapping.w_avg"] = random(dim)
    if classes:
        state |= {"mapping.embed.weight": random(dim, classes), "mapping.embed.bias": random(dim)}
    for layer in range(layers):
        width = 2 * dim if classes and layer == 0 else dim
        state |= {
            f"mapping.fc{layer}.weight": random(dim, width) * 100,
            f"mapping.fc{layer}.bias": random(dim) * 10,
        }
    return state


def discriminator_state(
    resolution: int = 16,
    *,
    channels: int = 8,
    classes: int = 0,
    architecture: str = "resnet",
    layers: int = 8,
    image_channels: int = 3,
    seed: int = 1,
) -> dict[str, Tensor]:
    """A discriminator's state by NVIDIA's names."""
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    state: dict[str, Tensor] = {}
    side = resolution
    while side > 4:
        block = f"b{side}"
        if side == resolution or architecture == "skip":
            state[f"{block}.fromrgb.weight"] = random(channels, image_channels, 1, 1)
            state[f"{block}.fromrgb.bias"] = random(channels) * 0.1
        for layer in ("conv0", "conv1"):
            state[f"{block}.{layer}.weight"] = random(channels, channels, 3, 3)
            state[f"{block}.{layer}.bias"] = random(channels) * 0.1
            state[f"{block}.{layer}.resample_filter"] = filter_taps()
        if architecture == "resnet":
            state[f"{block}.skip.weight"] = random(channels, channels, 1, 1)
        side //= 2
    if classes:
        state["mapping.embed.weight"] = random(channels, classes)
        state["mapping.embed.bias"] = random(channels)
        for layer in range(layers):
            state[f"mapping.fc{layer}.weight"] = random(channels, channels) * 100
            state[f"mapping.fc{layer}.bias"] = random(channels) * 10
    if architecture == "skip":
        state["b4.fromrgb.weight"] = random(channels, image_channels, 1, 1)
        state["b4.fromrgb.bias"] = random(channels)
    outputs = channels if classes else 1
    return state | {
        "b4.conv.weight": random(channels, channels + 1, 3, 3),
        "b4.conv.bias": random(channels) * 0.1,
        "b4.fc.weight": random(channels, channels * 16),
        "b4.fc.bias": random(channels) * 0.1,
        "b4.out.weight": random(outputs, channels),
        "b4.out.bias": random(outputs),
    }


def networks(
    *,
    generator: Mapping[str, Any] | None = None,
    discriminator: Mapping[str, Any] | None = None,
    **shape: Any,
) -> dict[str, Any]:
    """What a snapshot of training holds: three networks and what they were trained on.

    Args:
        generator: Attributes of modules of both generators, see `module_of`.
        discriminator: Likewise.
        shape: Of `generator_state` and `discriminator_state`.
    """
    own = {key: value for key, value in shape.items() if key != "architecture"}
    generators = {
        name: module_of(generator_state(**own, seed=seed), "Generator", generator)
        for seed, name in enumerate(("G", "G_ema"))
    }
    judge = module_of(
        discriminator_state(**{k: v for k, v in shape.items() if k not in ("dim", "layers")}),
        "Discriminator",
        discriminator,
    )
    return {
        **generators,
        "D": judge,
        "augment_pipe": module_of({"Hz_geom": torch.ones(12)}, "AugmentPipe"),
        "training_set_kwargs": EasyDict(path="/home/someone/faces.zip", xflip=True),
    }


def write_networks(path: Path, protocol: int = 4, **settings: Any) -> Path:
    """Writes `networks` and returns where."""
    path.write_bytes(dumped(networks(**settings), protocol))
    return path


def tensorflow_networks(
    generator: Mapping[str, Tensor], discriminator: Mapping[str, Tensor], **settings: Any
) -> tuple[Network, Network, Network]:
    """The same networks in TensorFlow's form: arrays by its names, turned as it has them.

    Args:
        generator: A state by the names of PyTorch's form.
        discriminator: Likewise.
        settings: Arguments that the discriminator was built with.
    """
    parts: dict[str, list[tuple[str, np.ndarray]]] = {"mapping": [], "synthesis": [], "": []}
    for name, value in generator.items():
        if not name.endswith("resample_filter"):
            part, new, array = _to_tensorflow(name, value.numpy())
            parts[part].append((new, array))
    judging = [
        (new.replace("Dense", "Mapping") if part == "mapping" else new, array)
        for part, new, array in (
            _to_tensorflow(name, value.numpy())
            for name, value in discriminator.items()
            if not name.endswith("resample_filter")
        )
    ]

    def network(variables: list[Any], components: Mapping[str, Network], **known: Any) -> Network:
        return Network(
            {
                "version": 5,
                "name": "network",
                "static_kwargs": EasyDict(func_name="training.networks.G_main", **known),
                "components": dict(components),
                "build_module_src": "raise AssertionError('source was run')",
                "build_func_name": "G_main",
                "variables": [("lod", np.float32(0)), *variables],
            }
        )

    components = {name: network(parts[name], {}) for name in ("mapping", "synthesis")}
    whole = network(parts[""], components, mapping_layers=2)
    return whole, network(judging, {}, **settings), whole


def _to_tensorflow(name: str, array: np.ndarray) -> tuple[str, str, np.ndarray]:
    """The component, its name there and the array: the inverse of what reading does, written down by itself."""
    keys = name.split(".")
    if keys[-1] == "weight":
        array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
    if name == "mapping.w_avg":
        return "", "dlatent_avg", array
    if keys[0] == "mapping":
        layer = "LabelEmbed" if keys[1] == "embed" else keys[1].replace("fc", "Dense")
        return "mapping", f"{layer}/{keys[2]}", array
    if name == "synthesis.b4.const":
        return "synthesis", "4x4/Const/const", array[None]
    if keys[0] == "synthesis":
        side, layer = int(keys[1][1:]), keys[2]
        place = f"{side}x{side}"
        if keys[3] == "noise_const":
            number = 2 * (side.bit_length() - 3) - (layer == "conv0")
            return "synthesis", f"noise{number}", array[None, None]
        there = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB"}[layer]
        there = "Conv" if side == 4 and layer == "conv1" else there
        if keys[3] == "affine":
            array = array - 1 if keys[4] == "bias" else array
            return "synthesis", f"{place}/{there}/mod_{keys[4]}", array.astype(np.float32)
        if layer == "conv0" and keys[3] == "weight":
            array = array[::-1, ::-1]
        return "synthesis", f"{place}/{there}/{keys[3]}", array
    if name.startswith("b4."):
        there = {"conv": "4x4/Conv", "fc": "4x4/Dense0", "out": "Output"}[keys[1]]
        return "", f"{there}/{keys[2]}", array
    side, there = int(keys[0][1:]), {"conv0": "Conv0", "conv1": "Conv1_down"}.get(keys[1], "")
    there = there or {"fromrgb": "FromRGB", "skip": "Skip"}[keys[1]]
    return "", f"{side}x{side}/{there}/{keys[2]}", array
