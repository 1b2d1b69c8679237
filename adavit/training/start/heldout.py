"""Whether the discriminator can be asked about the images that a run holds out."""

from adavit.config.run import ResolvedConfig
from adavit.data import Split
from adavit.errors import UserError
from adavit.runtime.wording import counted


def can_be_judged(config: ResolvedConfig, split: Split) -> bool:
    """Whether held-out images make one group of the minibatch standard deviation.

    In a group that held an image twice the deviation would be less, whatever the images show, and they would be taken
    for generated ones.
    """
    return len(split.heldout) >= config.images_of_a_deviation


def heldout_note(config: ResolvedConfig, split: Split) -> str | None:
    """Why nothing is measured of the images that are held out; None where it is, or where none are.

    Raises:
        UserError: If p is to follow what is not measured.
    """
    if can_be_judged(config, split):
        return None
    least, count = config.images_of_a_deviation, len(split.heldout)
    section = "features" if config.discriminator.kind == "projected" else "discriminator"
    key = f"{section}.minibatch_std_group"
    if config.augment.mode == "ada" and config.augment.heuristic == "rv":
        share = 0.1 if len(split.train) >= 10 * least else 0.5
        compared = f", the images that are compared with each other ({key})" if least > 1 else ""
        some = counted(count, "image is", "images are") if count else "no images are"
        raise UserError(
            f"augment.heuristic is rv, but {some} held out of"
            f" {len(split.train) + count}, expected at least {least}{compared}. Give a larger --val-fraction, for"
            f" example {share}, or use --heuristic rt."
        )
    if not count:
        return None
    return (
        f"Of {counted(count, 'held-out image', 'held-out images')} no logits are taken, and no r_v: the discriminator"
        f" compares {least} images with each other ({key}). Give a larger --val-fraction, or --set {key}=0."
    )
