"""Into which slices a batch can be cut, and what of them is calculated of a slice instead of the batch."""

from collections.abc import Iterator

from pydantic import ValidationError

from adavit.config.run import ResolvedConfig

LARGEST = 2**14
"""Images of the largest slice that is looked for, beside the whole batch: divisors are found by trial."""


def with_microbatch(config: ResolvedConfig, images: int) -> ResolvedConfig | None:
    """The same settings with other slices.

    Args:
        config: Of a run.
        images: Of a slice.

    Returns:
        None where these do not go together: a slice consists of whole groups of a standard deviation.
    """
    values = config.as_dict()
    values["training"]["microbatch"] = images
    try:
        return ResolvedConfig.model_validate(values)
    except ValidationError:
        return None


def smaller_slices(
    config: ResolvedConfig, most: int, *, processes: int = 1
) -> Iterator[ResolvedConfig]:
    """The settings with each microbatch that the batch allows, the largest first.

    Args:
        config: Of a run.
        most: Images of the largest that is wanted.
        processes: That have equally many of them.
    """
    share, rest = divmod(config.training.batch, processes)
    if rest:
        return
    sizes = [share] if LARGEST < share <= most else []
    sizes += [size for size in range(min(most, share, LARGEST), 0, -1) if share % size == 0]
    for size in sizes:
        found = with_microbatch(config, size)
        if found is not None:
            yield found


def calculated_of_slices(config: ResolvedConfig) -> list[str]:
    """Settings of which each slice makes figures of its own: with other slices gradients are others, on average too.

    Args:
        config: Of a run.
    """
    ways = {
        "training.top_k": config.training.top_k not in (0, 1),
        "discriminator.normalization=chain": getattr(config.discriminator, "normalization", "")
        == "chain",
        "features.normalization=batch": config.features.network is not None
        and config.features.normalization == "batch",
    }
    return [setting for setting, holds in ways.items() if holds]


def told_of_slices(config: ResolvedConfig) -> str:
    """What another microbatch changes beside the memory, to follow "Gradients are the same but for "."""
    own = calculated_of_slices(config)
    more = f" and for {' and '.join(own)}, which each slice calculates by itself" if own else ""
    return f"what each slice draws for itself{more}"
