"""Whether the steps of a long run are compiled where nobody says so: both kinds are measured, on this machine."""

import gc
from collections.abc import Callable
from dataclasses import replace

from adavit.config.run import ResolvedConfig
from adavit.errors import first_line
from adavit.runtime.console import Console
from adavit.runtime.wording import duration
from adavit.training.rehearsal import TookTooLong, rehearse_step
from adavit.training.start.compilation import has_compiler
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep

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
    on_cpu = workload.device.type == "cpu"
    lasting = workload.config.has_lasting_passes
    return seconds > LONG_S and processes == 1 and on_cpu and lasting and has_compiler()


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
    values = workload.config.as_dict()
    values["training"]["compile"] = True
    compiled = replace(workload, config=ResolvedConfig.model_validate(values))
    limit_s = LARGEST_TRIAL * left
    try:
        compiled_s = rehearse_step(compiled, make(compiled), seconds=seconds, limit_s=limit_s)
    except TookTooLong:
        console.note(f"Steps are not compiled, which took longer than {duration(limit_s)}.")
        return None
    except Exception as error:  # noqa: BLE001  compilers, linkers and the folder of their files fail in their own ways
        console.note(f"Steps are not compiled, which failed: {first_line(error)}")
        return None
    finally:
        gc.collect()  # as after any rehearsal
    gain = step_s / compiled_s
    if gain < GAIN:
        console.note(
            f"Steps are not compiled: {gain:.2f} times as fast, expected {GAIN:g} to be worth it."
        )
        return None
    console.note(f"Steps are compiled: {gain:.2f} times as fast.")
    return compiled_s
