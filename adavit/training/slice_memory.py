"""What a run does where the memory for a step runs out while it trains: smaller slices of the same batch."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from adavit.config.microbatches import smaller_slices, told_of_slices
from adavit.errors import RunError
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import Console
from adavit.runtime.devices import release_freed_memory
from adavit.runtime.files import write_text
from adavit.runtime.wording import counted
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from adavit.training.start.stored_settings import config_text
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.out_of_memory import StepOutOfMemory, with_room


class NoSmallerSlices(RunError):
    """Memory ran out, and this process cannot go on with smaller slices.

    Attributes:
        lasting: As of `StepOutOfMemory`.
    """

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


class StepsWithinMemory:
    """Takes the steps of a run; one for which memory runs out once more, in slices of half as many images.

    The new microbatch is written into config.yaml, so the run goes on with it whatever ends it.

    Args:
        workload: Of the run.
        step: Of the run; its microbatch changes.
        directory: Of the run.
        console: Told of it.
        adopt: Called with the workload whose settings hold from then on.

    Attributes:
        keep: Called where a step is given up for good: writes a checkpoint of those before it, of several processes the
            first one. May be set.
    """

    def __init__(
        self,
        workload: Workload,
        step: AdversarialStep,
        directory: RunDirectory,
        console: Console,
        adopt: Callable[[Workload], None],
        keep: Callable[[], None],
    ) -> None:
        self._workload = workload
        self._step = step
        self._directory = directory
        self._console = console
        self._adopt = adopt
        self.keep = keep

    def __call__(self, real: Tensor, labels: Tensor | None, images: int) -> StepResult:
        """Trains on a batch.

        Args:
            real: As for the step.
            labels: Likewise.
            images: Real images seen.

        Raises:
            StepOutOfMemory: In a run of several processes, and in one that is compared with others, whose slices are to
                be alike.
            NoSmallerSlices: If smaller slices are not to be had, or this process calculates no more.
        """
        seed, device = self._workload.config.run.seed, self._workload.device
        while True:
            streams = StepStreams.at(seed, images, device)
            try:
                return self._step(real, labels, images=images, streams=streams)
            except StepOutOfMemory as error:
                lasting = error.lasting
            # Outside, where what the step has held is free.
            try:
                # Several processes would have to ask each other at every step whether one has found no room.
                if self._step.reduction.world.size > 1 or self._directory.is_cell:
                    raise StepOutOfMemory(lasting=lasting)
                self._cut_smaller(images, lasting=lasting)
            except (StepOutOfMemory, NoSmallerSlices):
                # Nothing of the step was applied. Where there is no room for this either, the last one is good.
                with contextlib.suppress(MemoryError, OSError, RunError):
                    with_room(self.keep)
                raise

    def _cut_smaller(self, images: int, *, lasting: bool) -> None:
        config = self._workload.config
        before = config.training.images_at_a_time
        smaller = next(smaller_slices(config, before // 2), None)
        if smaller is None:
            raise NoSmallerSlices(_no_smaller(before, self._directory), lasting=lasting)
        release_freed_memory(self._workload.device)
        write_text(self._directory.config, config_text(smaller))
        after = smaller.training.images_at_a_time
        if lasting:
            raise NoSmallerSlices(
                f"out of memory with {before} images at a time, and this process can calculate no more. The run has"
                f" training.microbatch {after} from now on; go on with: {self._directory.resume_command}.",
                lasting=True,
            )
        self._step.microbatch = after
        self._workload = replace(self._workload, config=smaller)
        self._adopt(self._workload)
        self._console.note(
            f"Out of memory at {images / 1000:g} kimg with {before} images at a time: the step is taken once more with"
            f" training.microbatch {after}, and so are those after it. Gradients are the same but for"
            f" {told_of_slices(smaller)}, so the weights are others than those of a run with {before}."
        )


def _no_smaller(images: int, directory: RunDirectory) -> str:
    slices = counted(images, "image", "images")
    why = "" if images == 1 else ", and smaller slices do not go with the settings"
    return (
        f"out of memory with {slices} at a time{why}. Expected room for a step of so many; close other programs, then"
        f" go on with: {directory.resume_command}, on a device with more memory if there is one (--device). A new run"
        " with a lower --resolution or smaller networks needs less."
    )
