"""The devices of `--devices`: one for each cell that is trained at a time, or as many as a cell has processes."""

import os
import re
from collections.abc import Sequence

import torch

from adavit.errors import UserError
from adavit.runtime.device_names import refuse_mps
from adavit.runtime.devices import choose_device
from adavit.runtime.wording import counted


def device_groups(devices: Sequence[str], processes: int) -> list[tuple[str, ...]]:
    """Which of the devices a cell takes: neighbours, as many as it has processes.

    cpu and cuda, without a number, are a group by themselves: processes share the cores, or take the first GPUs.

    Args:
        devices: Such as ("cuda:0", "cuda:1").
        processes: Of each cell.

    Raises:
        UserError: If they do not go together, or a group cannot be made.
    """
    _check_names(devices)
    numbered = [device for device in devices if ":" in device]
    if processes == 1 or not numbered:
        return [(device,) for device in devices]
    if len(numbered) < len(devices):
        raise UserError(
            f"--devices names both cuda and {numbered[0]}, but each cell takes {processes} of them (--processes),"
            " expected numbers throughout. Give all of them one, or none."
        )
    if len(devices) % processes:
        raise UserError(
            f"--devices names {counted(len(devices), 'device', 'devices')}, but each cell takes {processes} of them"
            f" (--processes), expected a multiple of {processes}. Name more or fewer, or give another --processes."
        )
    groups = [
        tuple(devices[first : first + processes]) for first in range(0, len(devices), processes)
    ]
    for group in groups:
        if len({int(device.partition(":")[2]) for device in group}) < processes:
            raise UserError(
                f"--devices gives a cell {', '.join(group)}, but --processes {processes} needs as many different ones."
                " Correct it."
            )
    return groups


def _check_names(devices: Sequence[str]) -> None:
    kinds = {device.partition(":")[0] for device in devices}
    if len(kinds) > 1:
        raise UserError(
            f"--devices names {' and '.join(sorted(kinds))}, expected one kind, since settings"
            " are chosen by it. Run one kind after the other."
        )
    for device in devices:
        kind, colon, index = device.partition(":")
        refuse_mps(kind, "--devices")
        if kind not in ("cpu", "cuda") or (
            colon and (kind != "cuda" or not re.fullmatch("[0-9]{1,4}", index))
        ):
            raise UserError(
                f"--devices names {device!r}, expected cpu, cuda or cuda:0, cuda:1, ..."
                " with commas between them. Correct it."
            )


def check_devices_exist(devices: Sequence[str]) -> None:
    """Refuses devices that this machine has not.

    Raises:
        UserError: If one is not there.
    """
    if devices:
        choose_device(devices[0].partition(":")[0], flag="--devices")
    for device in devices:
        number = device.partition(":")[2]
        if number and int(number) >= (there := torch.cuda.device_count()):
            raise UserError(
                f"--devices names {device}, but torch finds {counted(there, 'CUDA device', 'CUDA devices')}"
                f" here, expected numbers below {there}. Correct it."
            )


def made_visible(group: Sequence[str]) -> dict[str, str]:
    """What a process finds in its environment, before CUDA starts, so that it sees these devices alone.

    Args:
        group: Such as ("cuda:2", "cuda:3"); without numbers nothing is to be hidden.
    """
    numbers = [int(device.partition(":")[2]) for device in group if ":" in device]
    if not numbers:
        return {}
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = [visible[number] if number < len(visible) else str(number) for number in numbers]
    return {"CUDA_VISIBLE_DEVICES": ",".join(names)}
