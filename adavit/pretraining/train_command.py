"""What a person types to train a run that begins with the trunk of a pre-training."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adavit.config.auto import resolve
from adavit.config.layers import flatten
from adavit.config.run import RunConfig
from adavit.config.short_names import SHORT_NAMES
from adavit.runtime.paths import quoted
from adavit.training.start.workload import Workload, facts_of

NOT_OF_TRUNKS = {"kind", "minibatch_std_group"}
"""Settings of a discriminator that do not concern its trunk, or are in the command anyway."""


def train_command(workload: Workload, trunk: Path) -> str:
    """The command of a run on the same images, whose discriminator takes the whole trunk.

    Args:
        workload: Of the pre-training.
        trunk: Its file.

    Returns:
        A line for a shell, with the settings that such a run would not have by itself.
    """
    words = ["adavit", "train", "--data", workload.config.data.source, "--discriminator", "vit"]
    words += ["--init-discriminator", str(trunk)]
    own, usual = flatten(workload.config.as_dict()), flatten(RunConfig().as_dict())
    for name, key in SHORT_NAMES.items():
        # With other images held out, the run would be one whose discriminator has learnt what it has not.
        of_images = key.startswith("data.") and key != "data.source"
        if (of_images or key in ("run.seed", "run.device")) and own[key] != usual[key]:
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if own[key] is True else [flag, str(own[key])]
    for key, value in _needed_settings(workload).items():
        written = value if isinstance(value, str) else json.dumps(value)
        words += ["--set", f"discriminator.{key}={written}"]
    return " ".join(map(quoted, words))


def _needed_settings(workload: Workload) -> dict[str, Any]:
    """Those of the discriminator without which another one would be chosen."""
    own = _of_trunk(workload.config.discriminator.model_dump(mode="json"))
    needed = own
    for key in own:
        others = {name: value for name, value in needed.items() if name != key}
        needed = others if _chosen(workload, others) == own else needed
    return needed


def _chosen(workload: Workload, given: dict[str, Any]) -> dict[str, Any] | None:
    """The trunk's settings in a run with some of them given; None where those go with no choice for the others."""
    try:
        run = RunConfig.model_validate({"discriminator": {"kind": "vit", **given}})
        chosen = resolve(run, facts_of(workload))
    except ValidationError:
        return None
    return _of_trunk(chosen.discriminator.model_dump(mode="json"))


def _of_trunk(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in NOT_OF_TRUNKS}
