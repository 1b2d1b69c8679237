"""Choosing the device of a run."""

import torch

from adavit.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device that `--device` names.

    Args:
        name: "auto" (cuda where there is one, else the CPU), "cpu", "cuda" or "mps".

    Raises:
        UserError: If this machine has no such device.
    """
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        found = ", ".join(device for device, there in available.items() if there)
        raise UserError(
            f"--device {name} is not available to torch {torch.__version__} on this machine,"
            f" expected one of: {found}. Use --device {found.split(', ')[-1]}, or install a torch"
            " that knows the device."
        )
    return torch.device(name)
