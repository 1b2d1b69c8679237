"""`training.distill_network`: the frozen network whose tokens the discriminator of a run learns to predict."""

from dataclasses import replace

from torch import nn

from adavit.config.discriminator import ViTConfig
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.features.teachers import NAMED_BY, SETTING, FoundTeacher, find_transformer
from adavit.training.start.features import PUT_BACK, check_as_begun
from adavit.training.start.workload import Workload


def find_teacher(config: RunConfig | ResolvedConfig) -> FoundTeacher | None:
    """What `training.distill_network` names; None without `training.distill_weight`.

    Raises:
        UserError: If its weights cannot be had, or are no longer those that the run began with.
    """
    training = config.training
    if not training.distill_weight:
        return None
    seen = config.features.seen
    named_by = replace(NAMED_BY, otherwise=PUT_BACK) if seen else NAMED_BY
    found = find_transformer(training.distill_network, named_by)
    check_as_begun(SETTING, training.distill_network, found.identity, seen)
    return found


def build_teacher(workload: Workload, found: FoundTeacher | None) -> nn.Module | None:
    """The network, for images of the run and patches of its discriminator.

    Args:
        workload: Of the run.
        found: From `find_teacher`; without it there is none.
    """
    if found is None:
        return None
    discriminator = workload.config.discriminator
    assert isinstance(discriminator, ViTConfig)
    teacher = found.teacher(
        resolution=workload.config.data.resolution,
        image_channels=workload.image_set.channels,
        patch=discriminator.patch,
    )
    return teacher.to(workload.device)
