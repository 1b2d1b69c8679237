"""Whether the steps of a long run are compiled where nobody says so.

With a budget, whose length is this machine's anyway, both kinds are measured. A run of so many images has the same
bits on a CPU when it is made again, so its settings alone decide, by what such steps have gained where they were
measured.
"""

import gc
import math
from collections.abc import Callable
from dataclasses import replace

from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import RunError, first_line
from adavit.runtime.console import Console
from adavit.runtime.signals import Stopped
from adavit.runtime.wording import duration
from adavit.training.rehearsal import TookTooLong, rehearse_step
from adavit.training.start.build import Start, first_step
from adavit.training.start.compilation import has_compiler
from adavit.training.start.effort import foreseen_s
from adavit.training.start.workload import Workload, total_images
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.out_of_memory import StepOutOfMemory
from adavit.training.step.reduction import Reduction

LONG_S = 3600.0
"""A run that takes longer may try it: compiling took 150 s of a core for two kinds of steps."""

GAIN = 1.15
"""Compiled steps are taken where they are so many times as fast; what is slower is not worth other roundings."""

LARGEST_TRIAL = 0.1
"""Part of the budget after which a trial is given up: steps that are `GAIN` times as fast win back 0.13 of it."""


def may_try(workload: Workload, seconds: float, processes: int) -> bool:
    """Whether compiled steps are worth a trial.

    Args:
        workload: Of the run, whose steps are not compiled.
        seconds: Its budget.
        processes: That train together; one that fails to compile would keep the others waiting.
    """
    return processes == 1 and _is_long(workload, seconds) and has_compiler()


def _is_long(workload: Workload, seconds: float) -> bool:
    """Whether a run takes so many seconds of a CPU that compiling pays, and can be compiled once."""
    lasting = workload.config.has_lasting_passes
    return workload.device.type == "cpu" and lasting and seconds > LONG_S


def faster_step_s(
    workload: Workload,
    make: Callable[[Workload], AdversarialStep],
    console: Console,
    *,
    step_s: float,
    seconds: float,
    left: float,
) -> float | None:
    """Seconds of a compiled step where it is faster by `GAIN`; None where it is not, or cannot be compiled.

    Args:
        workload: As for `may_try`.
        make: Makes networks.
        console: Told what is tried, and how it went.
        step_s: Of a step that is not compiled.
        seconds: To spend on steps, when they have been compiled.
        left: Of the budget, of which a trial takes no more than `LARGEST_TRIAL`.
    """
    console.note(
        "Compiling steps to see whether they are faster, which takes some minutes; --no-compile leaves it out."
    )
    limit_s = LARGEST_TRIAL * left
    compiled_s = _tried(_compiled(workload), make, console, seconds=seconds, limit_s=limit_s)
    if compiled_s is None:
        return None
    gain = step_s / compiled_s
    if gain < GAIN:
        console.note(
            f"Steps are not compiled: {gain:.2f} times as fast, expected {GAIN:g} to be worth it."
        )
        return None
    console.note(f"Steps are compiled: {gain:.2f} times as fast.")
    return compiled_s


def is_expected_to_gain(asked: RunConfig, workload: Workload, processes: int) -> bool:
    """Whether a run without a budget compiles its steps, if it can.

    Each time that it was measured, a ViT's steps were `GAIN` times as fast, and in bf16 a ResNet's; in float32 those
    were 1.10 to 1.25 times as fast (`benchmarks/results/compile_cpu.md`). On a CPU a run in slices has the bits of any
    number of processes, which compile none.

    Args:
        asked: As the user and what the run starts from have it, with what is left open.
        workload: As for `may_try`.
        processes: Likewise.
    """
    config = workload.config
    kind, training = config.discriminator.kind, config.training
    is_open = asked.run.budget is None and not asked.is_known("training.compile")
    if not is_open or processes > 1 or training.images_at_a_time < training.batch:
        return False
    gains = kind == "vit" or (kind == "resnet" and training.precision == "bf16")
    return gains and _is_long(workload, foreseen_s(config, total_images(training)))


def compiled_if_possible(
    workload: Workload, start: Start, reduction: Reduction, console: Console
) -> Workload:
    """The run with compiled steps; as it is where they cannot be compiled.

    Args:
        workload: As for `may_try`.
        start: What its networks start from.
        reduction: Of its one process.
        console: Told what is done, and how it went.
    """
    if not has_compiler():
        console.note(
            "Steps are not compiled, which would make this run shorter: there is no C++ compiler here."
        )
        return workload
    console.note(
        "Compiling steps, which takes some minutes and makes a long run shorter; --no-compile leaves it out."
    )
    chosen = _compiled(workload)

    def make(workload: Workload) -> AdversarialStep:
        return first_step(workload, start, reduction)[0]

    made = _tried(chosen, make, console, seconds=0.0, limit_s=math.inf)
    return workload if made is None else chosen


def _compiled(workload: Workload) -> Workload:
    """The same run, with steps that are compiled."""
    values = workload.config.as_dict()
    values["training"]["compile"] = True
    return replace(workload, config=ResolvedConfig.model_validate(values))


def _tried(
    workload: Workload,
    make: Callable[[Workload], AdversarialStep],
    console: Console,
    *,
    seconds: float,
    limit_s: float,
) -> float | None:
    """Seconds of a compiled step; None where there is none, of which the user is told.

    Raises:
        Stopped: After a signal.
        RunError: If this process can calculate no more.
    """
    try:
        return rehearse_step(workload, make(workload), seconds=seconds, limit_s=limit_s)
    except Stopped:
        raise
    except TookTooLong:
        console.note(f"Steps are not compiled, which took longer than {duration(limit_s)}.")
    except Exception as error:  # noqa: BLE001  compilers, linkers and the folder of their files fail in their own ways
        if isinstance(error, StepOutOfMemory) and error.lasting:
            raise RunError(
                "out of memory where steps were compiled, and this process can calculate no more. Start again with"
                " --no-compile."
            ) from None
        console.note(f"Steps are not compiled, which failed: {first_line(error)}")
    finally:
        gc.collect()  # as after any rehearsal
    return None
