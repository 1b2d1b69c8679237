"""What is looked for in a cell while its weights are there: copies of training images, and leaks of augmentations.

`adavit leaks` trains its probes anew for each run, minutes for each operation. Here nothing but drawings is looked at,
of which there are as many as wanted: the probes are trained once, on drawings that no cell has seen, and see all cells.
"""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.data.small_set.images import draw_small_set
from adavit.diagnostics.diagnosed_images import open_diagnosis
from adavit.diagnostics.leaks.calibration import Calibrated, Parts, calibrate
from adavit.diagnostics.leaks.operations import operations_by_name
from adavit.diagnostics.leaks.rates import estimate_rate
from adavit.diagnostics.memorisation.diagnosis import memorisation
from adavit.runtime.devices import choose_device
from adavit.runtime.files import write_json
from adavit.runtime.randomness import seed_for

OPERATIONS = (
    "rotate90",
    "xint",
    "scale",
    "rotate",
    "xfrac",
    "contrast",
    "lumaflip",
    "hue",
    "saturation",
)
"""Operations of `bgc` that a probe sees in drawings (accuracy above .8 in `benchmarks/results/leak_recovery.md`)."""

DRAWINGS_SEED = 3
"""Neither that of the training images nor that of the reference of the metrics."""

TRAINING, TEST, CONTROL = 2000, 500, 500
"""Drawings for the probes."""

WHICH = "last"
"""After as many images as all other cells, not where the figure was best."""


class Probes:
    """Trained probes, all on the same drawings.

    Args:
        operations: What they look for.
        drawings: Of `DRAWINGS_SEED`, for training, test and control.

    Attributes:
        device: Where they are, and whatever else looks into a run.
    """

    def __init__(
        self,
        operations: tuple[str, ...] = OPERATIONS,
        drawings: tuple[int, int, int] = (TRAINING, TEST, CONTROL),
    ) -> None:
        self.device = choose_device("auto")
        self._operations = operations
        self._drawings = drawings

    @cached_property
    def _parts(self) -> Parts:
        drawn, _ = draw_small_set(sum(self._drawings), seed=DRAWINGS_SEED)
        images = torch.from_numpy(drawn).permute(0, 3, 1, 2).contiguous()
        return Parts(*images.split(self._drawings))

    @cached_property
    def _calibrated(self) -> dict[str, Calibrated]:
        """By operation; one that changes too few drawings has none."""
        found = {
            operation.name: calibrate(operation, self._parts, seed=0, device=self.device)
            for operation in operations_by_name(self._operations)
        }
        return {name: each for name, each in found.items() if each is not None}

    def rates(self, fakes: Tensor) -> list[dict[str, Any]]:
        """How many generated images show each operation, as entries of `leaks.json`.

        Args:
            fakes: uint8 [N, 3, 32, 32].
        """
        return [self._entry(name, each, fakes) for name, each in self._calibrated.items()]

    def _entry(self, name: str, calibrated: Calibrated, fakes: Tensor) -> dict[str, Any]:
        random = np.random.Generator(np.random.PCG64(seed_for(0, name, 0)))
        rate, control = (
            estimate_rate(calibrated.probe.alarms(images).numpy(), calibrated.confusion, random)
            for images in (fakes, self._parts.control)
        )
        ends = ("value", "low", "high")
        return {
            "operation": name,
            "balanced_accuracy": calibrated.confusion.balanced_accuracy,
            "rate": {end: asdict(rate)[end] for end in ends},
            "control_rate": {end: asdict(control)[end] for end in ends},
            "doubtful": not rate.is_possible,
        }


def look_into(run: Path, probes: Probes) -> None:
    """Writes `memorisation.json` and `leaks.json` of a run on drawings, of as many images as its metrics.

    Args:
        run: Its directory, with the weights.
        probes: Of leaks.
    """
    diagnosis = open_diagnosis(str(run), which=WHICH, device=probes.device.type)
    memorisation(diagnosis)
    diagnosed = diagnosis.images
    record = {
        "protocol": {
            **diagnosed.protocol,
            "probes": "trained once, on drawings that no run has seen",
        },
        "highest_p": diagnosed.highest_p,
        "operations": probes.rates(diagnosed.fakes),
    }
    write_json(diagnosis.folder / "leaks.json", record)
