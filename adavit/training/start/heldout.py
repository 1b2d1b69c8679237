"""Whether the discriminator can be asked about the images that a run holds out."""

from adavit.config.run import ResolvedConfig
from adavit.data import Split, split_counts
from adavit.errors import UserError
from adavit.runtime.wording import counted

SHARES = [tenths / 10 for tenths in range(1, 10)]
"""Values of --val-fraction that are tried for one that is enough."""


def can_be_judged(config: ResolvedConfig, split: Split) -> bool:
    """Whether held-out images make one group of the minibatch standard deviation.

    In a group that held an image twice the deviation would be less, whatever the images show, and they would be taken
    for generated ones.
    """
    return len(split.heldout) >= config.images_of_a_deviation


def heldout_note(config: ResolvedConfig, split: Split, images: int) -> str | None:
    """Why nothing is measured of the images that are held out; None where it is, or where none are.

    Args:
        config: Of the run.
        split: Of its images.
        images: Of the whole set, of which a subset may leave some out.

    Raises:
        UserError: If p is to follow what is not measured.
    """
    if can_be_judged(config, split):
        return None
    least, count = config.images_of_a_deviation, len(split.heldout)
    section = "features" if config.discriminator.kind == "projected" else "discriminator"
    key = f"{section}.minibatch_std_group"
    more = _holding_out(least, images, config.data.subset)
    if config.augment.mode == "ada" and config.augment.heuristic == "rv":
        compared = f", the images that are compared with each other ({key})" if least > 1 else ""
        some = counted(count, "image is", "images are") if count else "no images are"
        raise UserError(
            f"augment.heuristic is rv, but {some} held out of {images}, expected at least {least}{compared}."
            f" {f'Give {more}, or use' if more else 'Use'} --heuristic rt."
        )
    if not count:
        return None
    return (
        f"Of {counted(count, 'held-out image', 'held-out images')} no logits are taken, and no r_v: the discriminator"
        f" compares {least} images with each other ({key}). Give {f'{more}, or ' if more else ''}--set {key}=0."
    )


def _holding_out(least: int, images: int, subset: int | None) -> str:
    """What to give so that a run holds out so many; empty where nothing does.

    Beside a subset only the rest is held out, which may be too small whatever the fraction.
    """
    for taken in (subset, max(1, images - least)):
        for share in SHARES:
            if split_counts(images, subset=taken, heldout_fraction=share)[1] >= least:
                return (
                    f"a larger --val-fraction, for example {share}"
                    if taken == subset
                    else f"--subset {taken} with --val-fraction {share}"
                )
    return ""
