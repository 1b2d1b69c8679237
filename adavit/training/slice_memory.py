"""What a run does where the memory for a step runs out while it trains: smaller slices of the same batch."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from adavit.config.microbatches import smaller_slices
from adavit.errors import RunError
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import Console
from adavit.runtime.devices import is_accelerator
from adavit.runtime.files import write_text
from adavit.runtime.wording import counted
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from adavit.training.start.stored_settings import config_text
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.no_room import NoRoom


class StepsWithinMemory:
    """Takes the steps of a run; one for which memory runs out once more, in slices of half as many images.

    The new microbatch is written into config.yaml, so the run goes on with it whatever ends it.

    Args:
        workload: Of the run.
        step: Of the run; its microbatch changes.
        directory: Of the run.
        console: Told of it.
        adopt: Called with the workload whose settings hold from then on.
    """

    def __init__(
        self,
        workload: Workload,
        step: AdversarialStep,
        directory: RunDirectory,
        console: Console,
        adopt: Callable[[Workload], None],
    ) -> None:
        self._workload = workload
        self._step = step
        self._directory = directory
        self._console = console
        self._adopt = adopt

    def __call__(self, real: Tensor, labels: Tensor | None, images: int) -> StepResult:
        """Trains on a batch.

        Args:
            real: As for the step.
            labels: Likewise.
            images: Real images seen.

        Raises:
            NoRoom: In a run of several processes, and in one that is compared with others, whose slices are to be
                alike.
            RunError: If smaller slices are not to be had.
        """
        seed, device = self._workload.config.run.seed, self._workload.device
        while True:
            streams = StepStreams.at(seed, images, device)
            with contextlib.suppress(NoRoom):
                return self._step(real, labels, images=images, streams=streams)
            # The error is gone here, and what it held with it.
            self._cut_smaller(images)

    def _cut_smaller(self, images: int) -> None:
        # Several processes would have to ask each other at every step whether one of them has found no room.
        if self._step.reduction.world.size > 1 or self._directory.is_cell:
            raise NoRoom("a step found no room")
        config, device = self._workload.config, self._workload.device
        before = config.training.images_at_a_time
        smaller = next(smaller_slices(config, before // 2), None)
        if smaller is None:
            raise RunError(_no_smaller(before, self._directory))
        if is_accelerator(device):
            torch.get_device_module(device).empty_cache()
        write_text(self._directory.config, config_text(smaller))
        after = self._step.microbatch = smaller.training.images_at_a_time
        self._workload = replace(self._workload, config=smaller)
        self._adopt(self._workload)
        self._console.note(
            f"Out of memory at {images / 1000:g} kimg with {before} images at a time: the step is taken once more with"
            f" training.microbatch {after}, and so are those after it. Gradients are the same but for what each slice"
            f" draws for itself, so the weights are not to the bit those of a run with {before}."
        )


def _no_smaller(images: int, directory: RunDirectory) -> str:
    slices = counted(images, "image", "images")
    why = (
        ""
        if images == 1
        else ", and smaller slices would split the groups of a minibatch_std_group"
    )
    return (
        f"out of memory with {slices} at a time{why}. Expected room for a step of so many; close other programs, then"
        f" go on with: {directory.resume_command}, on a device with more memory if there is one (--device). A new run"
        " with a lower --resolution or smaller networks needs less."
    )
