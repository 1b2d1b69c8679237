"""Kernels and bytes of one compiled step, as Inductor plans them: `python benchmarks/compiled_operations.py`.

    python benchmarks/compiled_operations.py [--kinds resnet vit] [--sizes 32x64 256x32]

Nothing is computed and no code is written: steps of networks in full size are recorded on tensors without memory, the
ways of an accelerator, and given to Inductor up to where it has decided what becomes one kernel. It plans for a CPU, as
it does not for a device that is not there; lists of weights are then a kernel for each, on CUDA a few for all.
Bytes are those that kernels read and write by Inductor's own count.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor, fx
from torch._inductor.compile_fx import compile_fx
from torch._inductor.exc import InductorError
from torch._inductor.graph import GraphLowering
from torch._inductor.ir import MultiOutput
from torch._inductor.scheduler import BaseSchedulerNode, NopKernelSchedulerNode

from adavit.training.step.compiled_slices import compiled_slices
from adavit.training.step.slice_pass import SlicePass
from benchmarks.step_operations import add_sizes, fake_stepper, sizes_of


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_sizes(parser)
    arguments = parser.parse_args()
    print("| step | kernels | of libraries | GB |")
    print("|---" * 4 + "|")
    for kind, side, batch in sizes_of(arguments):
        for name in ("plain", "with R1"):
            plan = planned(kind, side, batch, penalised=name != "plain", toy=arguments.toy)
            row = f"{plan.kernels:,} | {plan.of_libraries:,} | {plan.bytes / 1e9:.1f} |"
            print(f"| {kind}, {side} px, batch {batch}, {name} | {row}", flush=True)


class Plan(Exception):
    """What Inductor has decided.

    Attributes:
        kernels: All that is launched.
        of_libraries: Those of them that Inductor does not write: convolutions, matrix products, attention.
        bytes: Read and written.
    """

    def __init__(self, graph: GraphLowering) -> None:
        super().__init__()
        launched = [node for node in graph.scheduler.nodes if _is_launched(node)]
        self.kernels = len(launched)
        self.of_libraries = sum(node.is_extern() for node in launched)
        self.bytes = sum(node.get_read_write_buffers_sizes() for node in launched)


def planned(kind: str, side: int, batch: int, *, penalised: bool, toy: bool = False) -> Plan:
    """The plan of a step.

    Args:
        kind: "resnet" or "vit".
        side: Of the images in pixels.
        batch: Images.
        penalised: Whether R1 is part of it.
        toy: Whether the networks are those of a test.
    """
    # The states of random streams have content.
    with fake_stepper(kind, side, batch, toy=toy, allow_real=True) as stepper:
        stepper.plain()  # what is made once and kept comes into being
        written = stepper.step.compute
        assert isinstance(written, SlicePass)
        stepper.step.compute = compiled_slices(written)
        with (
            patch.object(torch, "compile", _planning),
            patch.object(GraphLowering, "_compile_to_module", _decided),
        ):
            try:
                (stepper.penalised if penalised else stepper.plain)()
            except Plan as plan:
                return plan
    raise AssertionError("nothing was compiled")


def _planning(
    graph: fx.GraphModule, *, options: dict[str, Any], **_: Any
) -> Callable[..., NoReturn]:
    """In place of `torch.compile`: a function that ends with the plan when it is called."""

    def call(*inputs: Tensor) -> NoReturn:
        try:
            compile_fx(graph, list(inputs), config_patches=options)
        except InductorError as error:
            raise error.inner_exception from None
        raise AssertionError("compiled without a plan")

    return call


def _decided(graph: GraphLowering) -> NoReturn:
    graph.init_wrapper_code()
    graph._update_scheduler()
    raise Plan(graph)


def _is_launched(node: BaseSchedulerNode) -> bool:
    """Whether it is more than a name: of what a kernel gives, or of memory."""
    return not isinstance(node, NopKernelSchedulerNode) and not isinstance(node.node, MultiOutput)


if __name__ == "__main__":
    main()
