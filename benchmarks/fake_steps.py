"""Steps of networks in full size on tensors without content: they have shapes, types and devices, and no memory.

Whatever asks such a tensor for a number raises, as it would wait for a GPU.
"""

import warnings
from collections.abc import Callable
from unittest.mock import patch

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from adavit.training.start.build import build_step
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep


def fake_step(workload: Workload) -> AdversarialStep:
    """The step of a run, made in `adavit.training.start.without_content`.

    At its start the host may ask for p, and whether what was drawn of a normal lies within its bounds.

    Args:
        workload: Of the run, with real images.
    """
    p = workload.config.augment.p or 0.0
    with (
        warnings.catch_warnings(),
        patch.object(nn.Module, "_apply", _moved),
        patch.object(FakeTensorMode, "__deepcopy__", lambda mode, _: mode, create=True),
        patch.object(nn.init, "trunc_normal_", nn.init.normal_),
        patch.object(FakeTensor, "__float__", lambda _: p, create=True),
    ):
        # As copy.deepcopy asks a tensor for its address.
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor", UserWarning)
        return build_step(workload)


def _moved(module: nn.Module, move: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """As `nn.Module._apply`, which exchanges fake parameters in place and cannot where something else holds them."""
    for child in module.children() if recurse else ():
        child._apply(move)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            there = move(parameter.detach())
            module._parameters[name] = nn.Parameter(there, parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = move(buffer)
    return module
