"""Networks on tensors that have shapes and types and no content: nothing is computed of them, and no memory taken."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from adavit.augment import resampling as warps
from adavit.models import filter_products, resampling
from adavit.training.objectives import consistency


class _OnTheCpu(FakeTensorMode):
    """Without a pretended CUDA device: autograd would start a thread for it, after which no process can be forked."""

    @property
    def avoid_device_init(self) -> bool:
        """Whether CUDA is kept from being initialised; nothing of it is asked for."""
        return False


@contextmanager
def without_content(*, allow_real: bool = True) -> Iterator[FakeTensorMode]:
    """While entered, whatever is made has no content.

    Whatever asks such a tensor for a number raises.

    Args:
        allow_real: Whether tensors made outside lose theirs where they take part; else they may not take part.
    """
    _forget_what_is_kept()
    try:
        with _OnTheCpu(allow_non_fake_inputs=allow_real) as mode:
            yield mode
    finally:
        _forget_what_is_kept()


def emptied(network: nn.Module) -> None:
    """Exchanges the tensors of a network on the device "meta" for such on the CPU; in `without_content` only.

    Args:
        network: Its parameters are others from then on, in the same layout.
    """
    exchanged: dict[int, Tensor] = {}
    for module in network.modules():
        stores: list[dict[str, Any]] = [module._parameters, module._buffers]
        for kept in stores:
            for name, tensor in kept.items():
                if tensor is not None:
                    if id(tensor) not in exchanged:
                        exchanged[id(tensor)] = _empty_like(tensor)
                    kept[name] = exchanged[id(tensor)]


def tensors_of(networks: Iterable[nn.Module]) -> list[Tensor]:
    """Parameters and buffers."""
    return [
        tensor for network in networks for tensor in (*network.parameters(), *network.buffers())
    ]


def _empty_like(tensor: Tensor) -> Tensor:
    made = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made


def _forget_what_is_kept() -> None:
    """Tensors that are made once: those made in here have no content, and are not to be found outside."""
    warps._filters.clear()
    filter_products._kept.cache_clear()
    resampling._kept_kernel.cache_clear()
    consistency.consistency_shift.cache_clear()
