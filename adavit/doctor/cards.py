"""The CUDA devices that torch can use, or why it can use none."""

import glob
import shutil
from collections.abc import Iterator

import torch

from adavit.doctor.finding import Finding
from adavit.errors import first_line
from adavit.runtime.devices import has_bf16, why_no_cuda
from adavit.runtime.wording import counted, size

DRIVEN = "/dev/nvidia[0-9]*"
"""Files of cards for which the system has a driver."""

CROWDED_SHARE = 0.5
"""Of a card's memory that others hold, from where on it is told."""


def examine_cards() -> Iterator[Finding]:
    """A finding for each card; one where there is none."""
    if not torch.cuda.is_available():
        yield _none()
        return
    for number in range(torch.cuda.device_count()):
        yield _card(number)


def _none() -> Finding:
    built = torch.version.cuda or torch.version.hip
    files = glob.glob(DRIVEN)
    if files:
        there = f"{counted(len(files), 'NVIDIA card is', 'NVIDIA cards are')} in this machine"
    elif shutil.which("nvidia-smi"):  # of the driver; Windows has no such files
        there = "A driver of NVIDIA is on this machine"
    else:
        there = ""
    why = (why_no_cuda() or "none is visible") if built else "this torch is built without CUDA"
    means = "Training runs on the CPU: small networks, up to 32 px unless you ask for more; photographs take a night."
    if not there:
        return Finding("devices", "note", f"No CUDA device: {why}. {means}", facts={"cuda": []})
    remedy = "Install torch anew as pytorch.org says for CUDA, with its index: pip alone may bring a build for the CPU."
    if built:
        remedy = (
            "Install the build of torch for your driver (https://pytorch.org/get-started/locally), or a driver for"
            f" CUDA {torch.version.cuda or 'of that build'}; CUDA_VISIBLE_DEVICES may hide cards too."
        )
    return Finding(
        "devices",
        "note",
        f"{there}, but torch can use none: {why}. {means}",
        remedy,
        {"cuda": []},
    )


def _card(number: int) -> Finding:
    device, name = torch.device("cuda", number), f"cuda:{number}"
    try:
        free, total = torch.cuda.mem_get_info(device)
        properties = torch.cuda.get_device_properties(device)
        bf16 = has_bf16(device)
        torch.ones(8, 8, device=device).mm(torch.ones(8, 8, device=device)).sum().item()
    except RuntimeError as error:
        found = f"It cannot calculate: {first_line(error)}."
        remedy = (
            "Install the build of torch that is made for this card (https://pytorch.org/get-started/locally), hide it"
            " with CUDA_VISIBLE_DEVICES, or train with --device cpu."
        )
        if number:
            return Finding(name, "note", f"{found} A run on one card takes cuda:0.", remedy)
        return Finding(name, "problem", found, remedy)
    facts = {
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "memory_bytes": total,
        "free_bytes": free,
        "bf16": bf16,
    }
    found = (
        f"{properties.name}, capability {facts['capability']}, {size(total)}, of which {size(free)} are free;"
        f" {'bf16 by itself' if bf16 else 'no bf16 of its own, so float32 is used'}."
    )
    if total - free > CROWDED_SHARE * total:
        return Finding(
            name,
            "note",
            f"{found} Other programs hold the rest.",
            "nvidia-smi shows which; end them, or take another card with CUDA_VISIBLE_DEVICES.",
            facts,
        )
    return Finding(name, "ok", found, facts=facts)
