"""Adam and AdamW of torch as they are without `torch.compile`, which nothing here uses.

torch's own import its compiler when the first one is made: 1.2 s on a CPU, which every start and every resume
would wait for. They step to the same bits.
"""

from inspect import unwrap

import torch
from torch import Tensor
from torch.optim import Optimizer


class _Uncompiled(Optimizer):
    """The methods as torch wrote them, without the decorators that tell its compiler to leave them alone."""

    # Decorators name what they wrap in __wrapped__; where torch has none, unwrap returns the method itself.
    add_param_group = unwrap(Optimizer.add_param_group)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    zero_grad = unwrap(Optimizer.zero_grad)
    # The decorator of this one turns gradients off besides.
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))

    def step_if(self, made: Tensor) -> None:
        """Takes a step, or leaves weights, moments and counts as they are.

        The device decides, so the host need not wait for it. Needs `fused=True`, whose kernels know of such steps
        for the sake of scaled gradients (`torch.amp.GradScaler`), on a CPU too.

        Args:
            made: Whether, bool 0-d.
        """
        self.found_inf = (~made).float()
        self.step()


class PlainAdam(_Uncompiled, torch.optim.Adam):
    """`torch.optim.Adam`."""


class PlainAdamW(_Uncompiled, torch.optim.AdamW):
    """`torch.optim.AdamW`."""
