"""An H100 that is not there, as far as torch's compiler asks for one: it plans for it and writes code, runs nothing.

Rests on the inner parts of torch 2.14 and Triton 3.8, whose wheels bring all that makes machine code of the kernels.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, fx
from torch._dynamo.device_interface import CudaInterface
from torch._inductor import scheduler
from torch._inductor.fx_passes.joint_graph import UniformValueConstantFolder
from torch._inductor.runtime import triton_helpers
from torch._inductor.runtime.hints import DeviceProperties
from torch._inductor.runtime.triton_heuristics import CachingAutotuner
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

CARD = torch.device("cuda", 0)
_LIMITS = {
    "multi_processor_count": 132,
    "regs_per_multiprocessor": 65_536,
    "max_threads_per_multi_processor": 2_048,
    "max_threads_per_block": 1_024,
    "warp_size": 32,
}
_CAPABILITY = (9, 0)
_COMPUTE = 90
"""The same as Triton names it."""
_KERNEL = re.compile(r"^(\w+) = async_compile\.triton\('\w+', '''(.*?)''', device_str", re.M | re.S)


@contextmanager
def pretended_card() -> Iterator[None]:
    """While entered, torch's compiler finds a card."""
    properties = SimpleNamespace(
        name="H100", major=_CAPABILITY[0], minor=_CAPABILITY[1], total_memory=80 * 2**30, **_LIMITS
    )
    described = DeviceProperties("cuda", 0, cc=_COMPUTE, major=_CAPABILITY[0], **_LIMITS)
    answers: list[tuple[Any, str, Any]] = [
        (torch.cuda, "current_device", lambda: 0),
        (torch.cuda, "get_device_properties", lambda _=None: properties),
        (CudaInterface, "get_device_properties", lambda _=None: properties),
        (CudaInterface, "is_bf16_supported", lambda including_emulation: True),
        (DeviceProperties, "create", lambda _: described),
        (scheduler, "has_triton", lambda _=None: True),
        (torch._C, "_conv_determine_backend_memory_format", _layout_of_convolution),
        (UniformValueConstantFolder, "_deduce_value", _deduced_on_the_host),
        (driver, "_active", _Driver()),
        (triton_helpers, "set_driver_to_gpu", lambda: None),
    ]
    with ExitStack() as patches:
        for on, name, answer in answers:
            patches.enter_context(patch.object(on, name, answer))
        yield


def moved_to_card(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Makes a graph for the CPU one for the card; returns inputs on it, without content.

    Args:
        graph: Changed.
        inputs: Of it, in a mode of tensors without content.
    """
    for node in graph.graph.nodes:
        if node.kwargs.get("device") is not None:
            node.kwargs = {**node.kwargs, "device": CARD}
    graph.recompile()
    return [
        torch.empty_strided(each.shape, each.stride(), dtype=each.dtype, device=CARD)
        for each in inputs
    ]


def made_to_machine_code(code: str) -> int:
    """Compiles all kernels of what Inductor wrote; in `pretended_card`.

    Args:
        code: The module with the kernels' sources in it.

    Returns:
        How many there are.

    Raises:
        Exception: Of Triton or ptxas, if one cannot be compiled.
    """
    kernels = _KERNEL.findall(code)
    with tempfile.TemporaryDirectory() as folder:
        for name, source in kernels:
            module = module_of(name, source, Path(folder))
            (kernel,) = (
                each for each in vars(module).values() if isinstance(each, CachingAutotuner)
            )
            kernel._precompile_config(kernel.configs[0])
    return len(kernels)


def module_of(name: str, source: str, folder: Path) -> ModuleType:
    """Imports the source of a kernel.

    Args:
        name: Of the module.
        source: Its text.
        folder: Where its file is to lie: Triton reads it there.
    """
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Driver:
    """What Triton asks a driver while it compiles."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", _COMPUTE, _LIMITS["warp_size"])

    def get_current_device(self) -> int:
        return 0


def _layout_of_convolution(features: Tensor, weight: Tensor, *_: Any) -> torch.memory_format:
    """That of cuDNN: channels_last where either has it. Without a card torch takes its own convolution."""
    either = any(
        each.is_contiguous(memory_format=torch.channels_last) and not each.is_contiguous()
        for each in (features, weight)
    )
    return torch.channels_last if either else torch.contiguous_format


_deduced = UniformValueConstantFolder._deduce_value


def _deduced_on_the_host(folder: UniformValueConstantFolder, node: fx.Node) -> Any:
    """Inductor folds constants on the device that they are for."""
    kept = node.kwargs
    if kept.get("device") is not None:
        node.kwargs = {**kept, "device": torch.device("cpu")}
    try:
        return _deduced(folder, node)
    finally:
        node.kwargs = kept
