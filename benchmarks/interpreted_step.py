"""Compiled steps for a card, run without one: `python benchmarks/interpreted_step.py`.

    python benchmarks/interpreted_step.py [--kinds resnet vit]

A small step with R1 is compiled for an H100 that is not there (`benchmarks.pretended_card`). Triton's interpreter then
runs the kernels that Inductor wrote, one program after another, libraries' kernels run on the CPU, and losses and
gradients are compared with those of the step as it is written. So it shows that what is launched together, filtered
and summed is right, not how fast it is, nor what ptxas makes of it (`compiled_operations.py --machine-code`).
"""

import os

os.environ["TRITON_INTERPRET"] = "1"  # as each kernel and helper is defined

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
import triton.language as tl
from scipy.special import erf
from torch import Tensor, fx
from torch._inductor.async_compile import AsyncCompile
from torch._inductor.runtime import triton_helpers, triton_heuristics
from torch._inductor.runtime.triton_heuristics import GridExpr
from torch._subclasses.fake_tensor import FakeTensorMode
from triton.runtime.interpreter import InterpretedFunction, TensorHandle

from adavit.models import resampling
from adavit.training.step import compiled_slices
from adavit.training.step.slice_pass import SlicePass
from benchmarks.compiled_operations import plan_of
from benchmarks.gpu.bench import KINDS, Bench, Stepper
from benchmarks.pretended_card import module_of, pretended_card

CPU = torch.device("cpu")
SIDE, BATCH = 8, 4
BLOCKS = {"XBLOCK": 256, "YBLOCK": 16, "ZBLOCK": 4, "R0_BLOCK": 64}
"""Of results and terms that one program works on: few enough for several programs and turns of a loop to most kernels,
and many for an interpreter, whose time is that of programs."""


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args()
    print("| step | kernels | largest difference of any tensor, of its largest entry |")
    print("|---" * 3 + "|")
    for kind in arguments.kinds:
        kernels, difference = compared(kind)
        print(f"| {kind} | {kernels} | {difference:.1e} |", flush=True)


def compared(kind: str) -> tuple[int, float]:
    """How many kernels a step has, and how far its results are from those of the graph that they were made of.

    Args:
        kind: "resnet" or "vit".
    """
    graph, inputs, options = recorded(kind)
    with torch.no_grad():
        expected = graph(*[each.clone() for each in inputs])
    with FakeTensorMode(allow_non_fake_inputs=True):
        plan = plan_of(graph, inputs, options)
    found = interpreted(plan.code, [each.clone() for each in inputs])
    differences = [
        float(
            (one.double() - other.double()).abs().max()
            / other.double().abs().max().clamp_min(1e-30)
        )
        for one, other in zip(found, expected, strict=True)
    ]
    return plan.kernels, max(differences)


class _Recorded(Exception):
    """What would be compiled, and what it is called with."""


def recorded(kind: str) -> tuple[fx.GraphModule, list[Tensor], dict[str, Any]]:
    """The graph of a small step with R1, its inputs, and what Inductor is told."""

    def record(
        graph: fx.GraphModule, *, options: dict[str, Any], **_: Any
    ) -> Callable[..., NoReturn]:
        def call(*inputs: Tensor) -> NoReturn:
            raise _Recorded(graph, [each.clone() for each in inputs], options)

        return call

    bench = Bench(CPU, True, Path(), 0.0)
    # In bfloat16 what is rounded differs: the code keeps float32 where the graph writes in between.
    config = bench.config(kind, SIDE, {"training": {"batch": BATCH, "precision": "float32"}})
    stepper = Stepper(bench.step(config), config, CPU)
    written = stepper.step.compute
    assert isinstance(written, SlicePass)
    stepper.step.compute = compiled_slices.compiled_slices(written)
    with (
        patch.object(resampling, "is_accelerator", lambda _device: True),
        patch.object(compiled_slices, "is_accelerator", lambda _device: True),
        patch.object(torch, "compile", record),
    ):
        try:
            stepper.penalised()
        except _Recorded as found:
            graph, inputs, options = found.args
            return graph, inputs, options
    raise AssertionError("nothing was compiled")


def interpreted(code: str, inputs: list[Tensor]) -> Sequence[Tensor]:
    """Runs what Inductor wrote for a card on tensors of the CPU.

    Args:
        code: The module that launches the kernels.
        inputs: What it is called with.
    """
    for there, here in (
        ("empty_strided_cuda", "empty_strided_cpu"),
        ("device(type='cuda', index=0)", "device(type='cpu')"),
        ("with torch.cuda._DeviceGuard(0):", "if True:"),
        ("torch.cuda.set_device(0)", "pass"),
        ("get_raw_stream(0)", "0"),
        ("async_compile.wait(globals())", ""),
    ):
        code = code.replace(there, here)
    module: dict[str, Any] = {}
    with (
        patch.object(AsyncCompile, "triton", lambda _, name, source, **__: _Kernel(name, source)),
        patch.object(triton_helpers, "libdevice", _Library()),
        patch.object(triton_helpers, "math", _Library()),
        pretended_card(),
    ):
        exec(compile(code, "step", "exec"), module)
        results: Sequence[Tensor] = module["call"](inputs)
    return results


class _Kernel:
    """A kernel in Triton's interpreter."""

    def __init__(self, name: str, source: str) -> None:
        with tempfile.TemporaryDirectory() as folder, _told_to_heuristics() as self._told:
            values = vars(module_of(name, source, Path(folder))).values()
        functions = (each for each in values if isinstance(each, InterpretedFunction))
        (self._function,) = (each for each in functions if each.fn.__name__ == name)

    def run(self, *arguments: Any, stream: int) -> None:
        """Runs all its programs."""
        names = self._function.arg_names
        blocks = {name: BLOCKS[name] for name in names if name in BLOCKS}
        given = zip((name for name in names if name not in blocks), arguments, strict=True)
        values = {**blocks, **dict(given)}
        grid = GridExpr.from_meta(self._told["inductor_meta"], blocks, mode="python")
        scope = dict(values)
        for line in grid.prefix:
            exec(line, scope)
        sides = tuple(
            int(eval(str(each), scope)) for each in (grid.x_grid, grid.y_grid, grid.z_grid)
        )
        self._function[sides](*(values[name] for name in names))


@contextmanager
def _told_to_heuristics() -> Iterator[dict[str, Any]]:
    """While entered, a kernel is left as it is; gives what its heuristics are told, once it is defined."""
    told: dict[str, Any] = {}

    def decorator(*_: Any, **facts: Any) -> Callable[[Any], Any]:
        told.update(facts)
        return lambda function: function

    with ExitStack() as patches:
        for name in ("pointwise", "reduction", "persistent_reduction", "foreach"):
            patches.enter_context(patch.object(triton_heuristics, name, decorator))
        yield told


class _Library:
    """The functions of the card's library that the kernels call, which the interpreter has not."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = _FUNCTIONS[name] if name in _FUNCTIONS else getattr(np, name)

        def computed(values: Any, *others: Any) -> Any:
            numbers = [each.handle.data for each in (values, *others)]
            data, like = np.asarray(function(*numbers)), values.handle
            if data.dtype == bool:  # the card's has integers
                whole = tl.block_type(tl.int32, list(data.shape)) if data.ndim else tl.int32
                return tl.core.tensor(TensorHandle(data.astype(np.int32), tl.int32), whole)
            return tl.core.tensor(
                TensorHandle(data.astype(like.data.dtype), like.dtype), values.type
            )

        return computed


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "erf": erf,
    "mul_rn": np.multiply,
    "nearbyint": np.rint,
    "rsqrt": lambda values: 1 / np.sqrt(values),
}
"""Whose names NumPy has not."""


if __name__ == "__main__":
    main()
