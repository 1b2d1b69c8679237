"""What a run starts from beside its seed: another run, a pre-trained trunk, or nothing."""

from collections.abc import Callable

from adavit.config.run import ResolvedConfig
from adavit.config.training import TrainingConfig
from adavit.runs.trunk_file import read_trunk
from adavit.training.start.build import build_step
from adavit.training.start.pretrained_trunk import start_from
from adavit.training.start.transfer import read_source, transfer
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep

Start = Callable[[AdversarialStep, ResolvedConfig], list[str]]
"""Fills the networks of a step at image 0, and says with what."""


def read_start(training: TrainingConfig) -> Start | None:
    """Reads what a configuration names; None where all is drawn from the seed.

    Raises:
        UserError: If it cannot be used.
    """
    if training.transfer is not None:
        source = read_source(training.transfer)
        return lambda step, config: transfer(step, source)
    if training.init_discriminator is not None:
        trunk = read_trunk(training.init_discriminator)
        return lambda step, config: [start_from(trunk, step, config)]
    return None


def first_step(workload: Workload, start: Start | None) -> tuple[AdversarialStep, list[str]]:
    """The networks of a run at image 0.

    Args:
        workload: Of the run.
        start: From `read_start`.

    Returns:
        The step, and what was taken over into it.

    Raises:
        UserError: If the networks cannot be made as asked for, or what to start from does not fit.
    """
    step = build_step(workload)
    return step, [] if start is None else start(step, workload.config)
