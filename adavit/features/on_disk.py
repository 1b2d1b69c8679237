"""Networks whose weights lie on the disk already, for a run that names none."""

import os
from importlib.util import find_spec

from adavit.data.known_names import is_drawn
from adavit.features.architectures import ARCHITECTURES
from adavit.features.timm_networks import FILE_PREFIX
from adavit.metrics.extractors.weight_files import weights_folder
from adavit.runtime.files import is_unfinished


def networks_here() -> list[str]:
    """What `--features` could name without a download, by the names of files alone.

    Without what other programs left in the cache of timm's hub: which of it gives maps only timm knows, and importing
    it takes seconds.
    """
    folder = weights_folder()
    here = [
        f"torchvision:{name}"
        for name, known in ARCHITECTURES.items()
        # Unlike pathlib, os.path answers for folders that may not be read too.
        if known.file is not None and os.path.isfile(folder / known.file)
    ]
    if find_spec("timm") is not None:
        files = [path for path in folder.glob(f"{FILE_PREFIX}*") if not is_unfinished(path)]
        here += [f"timm:{path.stem.removeprefix(FILE_PREFIX)}" for path in sorted(files)]
    return here


def offer(channels: int, source: str) -> str | None:
    """What the first of them would bring, in one line; None where there is none, or where it may do harm.

    Args:
        channels: Of the images; with four the last is alpha, see `adavit.features.background`.
        source: Of the images, as in `ImageSet.source`; a network that was trained on photographs is a risk on drawings.
    """
    if channels == 4 or is_drawn(source):
        return None
    for network in networks_here():
        return (
            f"Weights of {network.replace(':', ' ')} are here: --features {network} adds a critic that"
            " sees through them. Photographs ended at about half the distance or less with one"
            " (benchmarks/results/feature_critic.md); figures in related features then flatter the run."
        )
    return None
