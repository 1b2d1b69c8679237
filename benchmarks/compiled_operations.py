"""Kernels and bytes of a compiled step, as Inductor writes it for an H100: `python benchmarks/compiled_operations.py`.

    python benchmarks/compiled_operations.py [--kinds resnet vit] [--sizes 32x64 256x32] [--machine-code]

Nothing is computed, and no card is needed: steps of networks in full size are recorded on tensors without memory, the
ways of an accelerator, and given to Inductor as if for a card that is there (`benchmarks.pretended_card`), up to the
code that would launch the kernels. With `--machine-code` all of them are compiled for it as well.
Bytes are those that kernels read and write by Inductor's own count, where libraries read parts of tensors by these.
"""

import argparse
import ast
import math
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor, fx
from torch._inductor import ir
from torch._inductor.compile_fx import compile_fx
from torch._inductor.exc import InductorError
from torch._inductor.graph import GraphLowering
from torch._inductor.scheduler import BaseSchedulerNode, ExternKernelSchedulerNode

from adavit.training.step import compiled_slices
from adavit.training.step.slice_pass import SlicePass
from benchmarks.pretended_card import made_to_machine_code, moved_to_card, pretended_card
from benchmarks.step_operations import add_sizes, fake_stepper, sizes_of

_HERE = {"compile_threads": 1}
"""Else processes would start to make machine code of what has been written, which nobody asked for."""
_CALL = re.compile(r"^ +((\w+)\.run\(.*\))$", re.M)
_SIGNATURE = re.compile(r"^def (triton_\w+)\(([^)]*)\):", re.M)
_OF_LIBRARIES = re.compile(r"^ +(?:\w+ = )?(?:extern_kernels|torch\.ops)\.", re.M)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_sizes(parser)
    parser.add_argument("--machine-code", action="store_true", help="compile the kernels too")
    arguments = parser.parse_args()
    print("| step | kernels | of libraries | GB |")
    print("|---" * 4 + "|")
    for kind, side, batch in sizes_of(arguments):
        for name in ("plain", "with R1"):
            plan = planned(kind, side, batch, penalised=name != "plain", toy=arguments.toy)
            assert not read_while_written(plan.code), "some programs of a launch wait for others"
            row = f"{plan.kernels:,} | {plan.of_libraries:,} | {plan.bytes / 1e9:.1f} |"
            print(f"| {kind}, {side} px, batch {batch}, {name} | {row}", flush=True)
            if arguments.machine_code:
                with pretended_card():
                    print(f"    {made_to_machine_code(plan.code)} compiled", flush=True)


class Plan(Exception):
    """What Inductor has decided.

    Attributes:
        code: The module that launches it, with the sources of its kernels.
        kernels: All that is launched. A list of tensors that a library takes counts as one.
        of_libraries: Those of them that Inductor does not write: convolutions, matrix products, attention.
        bytes: Read and written.
    """

    def __init__(self, graph: GraphLowering) -> None:
        super().__init__()
        self.code = graph.codegen()[0].value
        self.of_libraries = len(_OF_LIBRARIES.findall(self.code))
        self.kernels = len(_CALL.findall(self.code)) + self.of_libraries
        self.bytes = sum(_bytes_of(node, graph) for node in graph.scheduler.nodes)


def _bytes_of(node: BaseSchedulerNode, graph: GraphLowering) -> int:
    """What a kernel reads and writes. Inductor counts all of a tensor of which a library's kernel reads a part."""
    found = node.get_read_write_buffers_sizes()
    kernel = node.node
    if isinstance(node, ExternKernelSchedulerNode) and isinstance(kernel, ir.ExternKernel):
        parts: defaultdict[str, int] = defaultdict(int)
        for each in kernel.inputs:
            if isinstance(each, ir.ReinterpretView):
                parts[each.get_name()] += _bytes_in(each)
        for name, read in parts.items():
            found -= max(0, _bytes_in(graph.get_buffer(name)) - read)
    return found


def _bytes_in(tensor: Any) -> int:
    return int(math.prod(map(int, tensor.get_size())) * tensor.get_dtype().itemsize)


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
        stepper.step.compute = compiled_slices.compiled_slices(written)
        with (
            patch.object(torch, "compile", _planning),
            patch.object(compiled_slices, "is_accelerator", lambda _device: True),
        ):
            try:
                (stepper.penalised if penalised else stepper.plain)()
            except Plan as plan:
                return plan
    raise AssertionError("nothing was compiled")


def read_while_written(code: str) -> set[str]:
    """Kernels that read a tensor which they write as well, elsewhere: another program may not have written it yet.

    Args:
        code: The module that launches them.
    """
    parameters = {name: text.split(", ") for name, text in _SIGNATURE.findall(code)}
    found = set()
    for call, name in _CALL.findall(code):
        given: Any = ast.parse(call, mode="eval").body
        tensors = [ast.unparse(each) for each in given.args]
        # The sizes of blocks come last, and are not given.
        named = list(zip(parameters[name], tensors, strict=False))
        read = {tensor for parameter, tensor in named if parameter.startswith("in_ptr")}
        if read & {tensor for parameter, tensor in named if "out_ptr" in parameter}:
            found.add(name)
    return found


def plan_of(graph: fx.GraphModule, inputs: Sequence[Tensor], options: dict[str, Any]) -> Plan:
    """What Inductor makes of a graph for the card; where tensors have no content only.

    Args:
        graph: For the CPU; it is for the card from then on.
        inputs: Of it, on the CPU.
        options: What Inductor is told.
    """
    with pretended_card(), patch.object(GraphLowering, "_compile_to_module", _decided):
        try:
            compile_fx(graph, moved_to_card(graph, inputs), config_patches={**options, **_HERE})
        except InductorError as error:
            if isinstance(error.inner_exception, Plan):
                return error.inner_exception
            raise
    raise AssertionError("compiled without a plan")


def _planning(
    graph: fx.GraphModule, *, options: dict[str, Any], **_: Any
) -> Callable[..., NoReturn]:
    """In place of `torch.compile`: a function that ends with the plan when it is called."""

    def call(*inputs: Tensor) -> NoReturn:
        raise plan_of(graph, inputs, options)

    return call


def _decided(graph: GraphLowering) -> NoReturn:
    raise Plan(graph)


if __name__ == "__main__":
    main()
