"""Flags that would go without a word: settings of a run's augmentation that its mode leaves unused.

What a preset or a file says of them is for the other modes, and stays; a flag is meant for this run.
"""

from collections.abc import Mapping

from adavit.config.run import RunConfig
from adavit.config.section import leaves_open

_ADAPTS = frozenset(("heuristic", "target", "speed_kimg", "p_max"))
UNUSED = {"scheduled": _ADAPTS, "fixed": _ADAPTS | {"initial_p"}}
"""Keys of `augment` by its mode; none uses none of them."""


def without_effect(config: RunConfig, origins: Mapping[str, str]) -> list[str]:
    """A sentence for every flag of the augmentation that changes nothing.

    Args:
        config: Of the run.
        origins: As `adavit.config.layers.origins_of` gives them: flags begin with a dash.
    """
    mode = config.augment.mode
    sentences = []
    for key, origin in origins.items():
        section, _, name = key.partition(".")
        if section != "augment" or name == "mode" or not origin.startswith("-"):
            continue
        value = getattr(config.augment, name)
        if leaves_open(value) or not (mode == "none" or name in UNUSED.get(mode, ())):
            continue
        # The other modes have a p, and one a schedule, that ada refuses: a preset's would be in the way of it.
        remedy = (
            f"Use --aug ada, or leave {origin} out" if mode == "none" else f"Leave {origin} out"
        )
        sentences.append(
            f"{key} is {value}, but augment.mode is {mode}, in which it changes nothing. {remedy}."
        )
    return sentences
