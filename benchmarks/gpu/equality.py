"""Whether the device trains as the CPU does: losses and weights of the same steps, from the same random numbers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep
from benchmarks.gpu.bench import KINDS, Bench, images, set_float32, step_of
from benchmarks.gpu.findings import Findings

STEPS = 20
TINY = 1e-6
"""Below it a statistic is compared absolutely."""
SETTINGS: dict[str, Any] = {
    "augment": {"mode": "fixed", "p": 0.7, "preset": "bgcfnc"},
    "training": {
        "batch": 8,
        "precision": "float32",
        "r1_interval": 4,
        "path_length": 2.0,
        "path_length_interval": 4,
        "graphs": False,  # which draw into places on the device
    },
}


class DrawnOnCpu(TorchFunctionMode):
    """While entered, what is drawn from a generator is drawn on the CPU and moved; a seed gives others elsewhere.

    Args:
        device: Where the numbers are wanted.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Calls a function, on the CPU where it draws."""
        kwargs = dict(kwargs or {})
        if kwargs.get("generator") is None:
            return func(*args, **kwargs)
        return func(*args, **{**kwargs, "device": "cpu"}).to(self.device)


def equal(bench: Bench, found: Findings) -> None:
    """Twenty small steps in float32 on the device, twice, against the CPU."""
    set_float32("ieee")
    cpu = torch.device("cpu")
    side, steps = (8, 4) if bench.toy else (32, STEPS)
    for kind in KINDS:
        with found.attempt(kind):
            expected, expected_weights = trained(bench, kind, side, steps, cpu)
            got, weights = trained(bench, kind, side, steps, bench.device)
            for name in expected[0]:
                pairs = [
                    (a[name], b[name]) for a, b in zip(expected, got, strict=True) if name in a
                ]
                found.row(
                    f"largest relative difference to the CPU over {steps} steps",
                    network=kind,
                    statistic=name,
                    difference=max(relative(a, b) for a, b in pairs),
                    **{"after one step": relative(*pairs[0]), "last value": pairs[-1][1]},
                )
            found.row(
                "weights after the steps",
                network=kind,
                **{
                    f"{part}, distance over length of the change": _distance(
                        expected_weights[part], weights[part]
                    )
                    for part in expected_weights
                },
            )
            again, weights_again = trained(bench, kind, side, steps, bench.device)
            same = all(torch.equal(weights[part], weights_again[part]) for part in weights)
            found.fact(f"{kind}: the same bits twice on the device", same and got == again)


def trained(
    bench: Bench, kind: str, side: int, steps: int, device: torch.device
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Statistics of some steps, and how far each network's weights have moved, flat on the CPU."""
    config = bench.config(kind, side, SETTINGS, small=True)
    step = step_of(config, device)
    parts = {"generator": step.generator, "discriminator": step.discriminator}
    before = {name: flat(network) for name, network in parts.items()}
    real = images(config.training.batch, side, device)
    with DrawnOnCpu(device):
        statistics = [_statistics(step, real, number) for number in range(steps)]
    return statistics, {name: flat(parts[name]) - before[name] for name in parts}


def _statistics(step: AdversarialStep, real: Tensor, number: int) -> dict[str, float]:
    images_seen = number * len(real)
    result = step(real, None, images=images_seen, streams=StepStreams.at(0, images_seen))
    logits = {"train_logits": result.train_logits, "generated_logits": result.generated_logits}
    values = {name: float(value) for name, value in result.losses.items()}
    return values | {name: float(value.double().mean()) for name, value in logits.items()}


def relative(expected: float, got: float) -> float:
    """The difference of two numbers, over the first where it is not tiny."""
    return abs(expected - got) / max(abs(expected), TINY)


def flat(network: torch.nn.Module) -> Tensor:
    """A copy of all weights in one row, float64 on the CPU."""
    return torch.cat([p.detach().double().cpu().flatten() for p in network.parameters()])


def _distance(expected: Tensor, got: Tensor) -> float:
    return float((expected - got).norm() / expected.norm())
