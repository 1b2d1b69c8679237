"""Networks in PyTorch form, as NVIDIA's StyleGAN2-ADA and StyleGAN3 pickle them: an object with its source code.

Of each module the pickle has the attributes, and in them its parameters, buffers and modules. The source code, which
NVIDIA's own loader runs, is not looked at.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import Tensor

from adavit.importing.foreign import ForeignNetwork
from adavit.importing.records import Record, UnreadablePickle, entries_of, name_within
from adavit.importing.tensors import is_array, number_of, tensor_of

MOST_MODULES, MOST_TENSORS = 2000, 20_000
"""Of a network; those of 1024 px have a hundred, and some hundred tensors."""

MOST_TAPS = 64
"""Of a filter."""

_FILTER_BYTES = 2**16

_PERSISTENT = "_reconstruct_persistent_obj"
_DEEPEST_SETTING = 4


def torch_network(value: Any) -> ForeignNetwork | None:
    """The network that a record describes; None if it describes none.

    Args:
        value: As `adavit.importing.machine.Machine` has read it.

    Raises:
        UnreadablePickle: If it has more modules than a network.
    """
    if not _is_module(value):
        return None
    values: dict[str, Callable[[], Tensor]] = {}
    activations: dict[str, str] = {}
    filters: list[tuple[float, ...]] = []
    state = _state_of(value)
    settings = dict(_flat(state.get("_init_kwargs"), set()))
    count = 0
    for path, attributes in _modules(value):
        for kind in ("_parameters", "_buffers"):
            tensors = entries_of(attributes.get(kind))
            count += len(tensors)  # modules may share them
            if count > MOST_TENSORS:
                raise UnreadablePickle(f"a network has more than {MOST_TENSORS:,} tensors")
            for name, tensor in tensors.items():
                if name == "resample_filter" and is_array(tensor):
                    filters.append(_taps(tensor_of(tensor, _FILTER_BYTES)))
                elif tensor is not None:
                    values[name_within(path, name)] = partial(tensor_of, tensor)
        found = attributes.get("activation")
        if isinstance(found, str):
            activations[path.removesuffix(".")] = found
        settings |= _settings_of(path, attributes)
    if isinstance(given := settings.get("activation"), str):
        activations["settings"] = given
    if isinstance(given := settings.get("resample_filter"), list | tuple):
        filters.append(tuple(float(number_of(tap) or 0) for tap in given[:MOST_TAPS]))
    return ForeignNetwork(values, activations, tuple(dict.fromkeys(filters)), settings)


def _is_module(value: Any) -> bool:
    return {"_parameters", "_buffers", "_modules"} <= _state_of(value).keys()


def _state_of(value: Any) -> dict[Any, Any]:
    """The attributes of an object."""
    if not isinstance(value, Record):
        return {}
    if value.name.rpartition(".")[2] == _PERSISTENT and value.arguments:
        return entries_of(entries_of(value.arguments[0]).get("state"))
    return entries_of(value.state)


def _modules(network: Any) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The attributes of a network and of all modules in it, with their names and a dot behind them."""
    waiting, count = [("", network)], 0
    while waiting:
        path, module = waiting.pop()
        count += 1
        attributes = _state_of(module)
        inner = entries_of(attributes.get("_modules"))
        if count + len(waiting) + len(inner) > MOST_MODULES:
            raise UnreadablePickle(f"a network has more than {MOST_MODULES:,} modules")
        yield path, attributes
        waiting += [
            (f"{name_within(path, name)}.", part)
            for name, part in inner.items()
            if _is_module(part)
        ]


def _settings_of(path: str, attributes: dict[Any, Any]) -> dict[str, Any]:
    """What modules remember of what they were built with, under the name of that argument."""
    found: dict[str, Any] = {}
    rate = number_of(attributes.get("bias_gain"))
    if path == "mapping.fc0." and rate is not None:
        found["lr_multiplier"] = rate
    if "group_size" in attributes:  # of the minibatch standard deviation; None is the whole batch
        found["mbstd_group_size"] = attributes["group_size"]
    if attributes.get("conv_clamp"):
        found["conv_clamp"] = attributes["conv_clamp"]
    if attributes.get("use_fp16") is True:
        found["num_fp16_res"] = 1
    return found


def _flat(values: Any, met: set[int], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Arguments within arguments, each by its own name; a dictionary that was met is passed by."""
    if id(values) in met or depth > _DEEPEST_SETTING:
        return
    met.add(id(values))
    for name, value in entries_of(values).items():
        if isinstance(value, dict | Record) and entries_of(value):
            yield from _flat(value, met, depth + 1)
        elif isinstance(name, str):
            yield name, value


def _taps(kernel: Tensor) -> tuple[float, ...]:
    """Those whose product with themselves a square filter is, normalised; of another the filter itself."""
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or len(kernel) > MOST_TAPS:
        return tuple(kernel.flatten()[:MOST_TAPS].tolist())
    taps = kernel.sum(dim=0)
    alike = (taps[:, None] * taps[None, :] - kernel * kernel.sum()).abs().max() <= 1e-6
    return tuple(
        round(tap, 6) for tap in (taps if alike else kernel.flatten()[:MOST_TAPS]).tolist()
    )
