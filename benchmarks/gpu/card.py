"""The card: what it is, what it reaches in copies and products, and how it filters."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.models.resampling import downsample, fir_kernel, smooth, upsample
from benchmarks.gpu.bench import Bench, set_float32
from benchmarks.gpu.findings import Findings

QUERY = "name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit"


def environment(bench: Bench, found: Findings) -> None:
    """Names and versions, achieved bytes/s of a copy and FLOP/s of a large product."""
    found.fact("python", sys.version.split()[0])
    found.fact("torch", torch.__version__)
    found.fact("threads", torch.get_num_threads())
    if bench.has_cuda(found, for_what="name, memory and versions of the card"):
        with found.attempt("the card's name"):
            card = torch.cuda.get_device_properties(bench.device)
            found.fact("card", card.name)
            found.fact("capability", f"{card.major}.{card.minor}")
            found.fact("memory GiB", card.total_memory / 2**30)
            found.fact("multiprocessors", card.multi_processor_count)
            found.fact("cards", torch.cuda.device_count())
        with found.attempt("versions"):
            found.fact("CUDA", torch.version.cuda)
            found.fact("cuDNN", torch.backends.cudnn.version())
        with found.attempt("bfloat16"):
            native = torch.cuda.is_bf16_supported(including_emulation=False)
            found.fact("bfloat16 in hardware", native)
        with found.attempt("nvidia-smi"):
            command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
            answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
            found.fact(f"nvidia-smi ({QUERY})", answer.stdout.strip())
    with found.attempt("bytes/s of a copy"):
        found.fact("copy, TB/s read and written", _copy_rate(bench) / 1e12)
    side = 256 if bench.toy else 8192
    for name, dtype, precision in (
        ("bfloat16", torch.bfloat16, "ieee"),
        ("float32", torch.float32, "ieee"),
        ("float32 in TF32", torch.float32, "tf32"),
    ):
        with found.attempt(f"product in {name}"):
            set_float32(precision)
            left, right = (
                torch.randn(side, side, device=bench.device, dtype=dtype) for _ in range(2)
            )
            seconds = bench.seconds_each(partial(torch.matmul, left, right), seconds=1.0)
            found.fact(f"product of {side}, {name}, TFLOP/s", 2 * side**3 / seconds / 1e12)
    with found.attempt("the host's time of a launch"):
        small = torch.zeros(8, device=bench.device)
        seconds = bench.seconds_each(lambda: [small.add_(1) for _ in range(1000)], seconds=0.5)
        found.fact("launch, microseconds", seconds * 1e3)


def _copy_rate(bench: Bench) -> float:
    """Bytes/s that a large copy reads and writes."""
    source = torch.empty(2**22 if bench.toy else 2**31, dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    return 2 * source.numel() / bench.seconds_each(lambda: target.copy_(source), seconds=1.0)


def fir(bench: Bench, found: Findings) -> None:
    """Filtering with (1, 3, 3, 1) as it is done here, as one convolution, and by other means, in either layout."""
    set_float32("ieee")  # for the comparison of their results
    cases = ((4, 8, 16),) if bench.toy else ((32, 512, 64), (32, 128, 256), (32, 64, 256))
    for batch, channels, side in cases:
        with found.attempt(f"{channels} channels at {side} px"):
            _fir_row(bench, found, batch, channels, side)


def _fir_row(bench: Bench, found: Findings, batch: int, channels: int, side: int) -> None:
    """All ways of all three filters at one shape; `side` is that of the larger of its two images."""
    low, high = side // 2, side
    for operation, ways, size in (
        ("upsample", UPSAMPLE, low),
        ("downsample", DOWNSAMPLE, high),
        ("smooth", SMOOTH, high),
    ):
        shape = (batch, channels, size, size)
        probe = torch.randn(2, channels, size, size, device=bench.device)
        reference = next(iter(ways.values()))(probe)
        for name, way in ways.items():
            for layout, memory_format in (
                ("channels_last", torch.channels_last),
                ("contiguous", torch.contiguous_format),
            ):
                with found.attempt(f"{operation} by {name}, {layout}, {channels} at {side} px"):
                    inputs = torch.randn(shape, device=bench.device, dtype=torch.bfloat16)
                    inputs = inputs.to(memory_format=memory_format).requires_grad_()
                    forward = bench.seconds_each(partial(way, inputs), seconds=0.05)
                    both = bench.seconds_each(partial(_there_and_back, way, inputs), seconds=0.05)
                    found.row(
                        "depthwise filter, bfloat16, ms",
                        **{"filter": operation, "by": name, "layout": layout},
                        batch=batch,
                        channels=channels,
                        px=side,
                        forward=forward * 1e3,
                        **{"and backward": both * 1e3},
                        **{"differs by": float((way(probe) - reference).abs().max())},
                    )


def _there_and_back(way: Callable[[Tensor], Tensor], inputs: Tensor) -> None:
    result = way(inputs)
    torch.autograd.grad(result, inputs, torch.ones_like(result))


def _pool(images: Tensor, stride: int = 1) -> Tensor:
    """The mean of 2 x 2 pixels: three of them in a row are the filter (1, 3, 3, 1)."""
    return F.avg_pool2d(images, 2, stride)


def _pooled_up(images: Tensor) -> Tensor:
    # Repeating a pixel is the first of the three.
    larger = F.interpolate(images, scale_factor=2.0, mode="nearest")
    return _pool(_pool(F.pad(larger, (1, 1, 1, 1))))


def _kernel_in_two(images: Tensor, gain: float) -> tuple[Tensor, Tensor]:
    """The filter along a column [C, 1, 4, 1] and along a row [C, 1, 1, 4]."""
    whole = fir_kernel(images.shape[1], gain=1.0, like=images)
    column = whole.sum(dim=3, keepdim=True) * gain
    return column, whole.sum(dim=2, keepdim=True)


def _separate_smooth(images: Tensor) -> Tensor:
    column, row = _kernel_in_two(images, 1.0)
    filtered = F.conv2d(images, column, padding=(1, 0), groups=images.shape[1])
    return F.conv2d(filtered, row, padding=(0, 1), groups=images.shape[1])


def _separate_down(images: Tensor) -> Tensor:
    column, row = _kernel_in_two(images, 1.0)
    channels = images.shape[1]
    filtered = F.conv2d(images, column, stride=(2, 1), padding=(1, 0), groups=channels)
    return F.conv2d(filtered, row, stride=(1, 2), padding=(0, 1), groups=channels)


def _separate_up(images: Tensor) -> Tensor:
    column, row = _kernel_in_two(images, 4.0)
    channels = images.shape[1]
    filtered = F.conv_transpose2d(images, column, stride=(2, 1), padding=(1, 0), groups=channels)
    return F.conv_transpose2d(filtered, row, stride=(1, 2), padding=(0, 1), groups=channels)


def _depthwise_smooth(images: Tensor) -> Tensor:
    kernel = fir_kernel(images.shape[1], gain=1.0, like=images)
    return F.conv2d(images, kernel, padding=1, groups=images.shape[1])


def _depthwise_down(images: Tensor) -> Tensor:
    kernel = fir_kernel(images.shape[1], gain=1.0, like=images)
    return F.conv2d(images, kernel, stride=2, padding=1, groups=images.shape[1])


def _depthwise_up(images: Tensor) -> Tensor:
    kernel = fir_kernel(images.shape[1], gain=4.0, like=images)
    return F.conv_transpose2d(images, kernel, stride=2, padding=1, groups=images.shape[1])


Ways = dict[str, Callable[[Tensor], Tensor]]
UPSAMPLE: Ways = {
    "ours": upsample,
    "one convolution": _depthwise_up,
    "three pools": _pooled_up,
    "two passes": _separate_up,
}
DOWNSAMPLE: Ways = {
    "ours": downsample,
    "one convolution": _depthwise_down,
    "three pools": lambda images: _pool(_pool(_pool(F.pad(images, (1, 1, 1, 1)))), 2),
    "two passes": _separate_down,
}
SMOOTH: Ways = {
    "ours": lambda images: smooth(images, padding=1),
    "one convolution": _depthwise_smooth,
    "three pools": lambda images: _pool(_pool(_pool(F.pad(images, (1, 1, 1, 1))))),
    "two passes": _separate_smooth,
}
"""Ours first: the others are compared with it."""
