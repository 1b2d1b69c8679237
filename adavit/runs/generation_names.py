"""What the generations of a checkpoint are called: the newest by its plain name, those before it numbered."""

import os
import re
from pathlib import Path

_OLDER = "-([1-9][0-9]{0,5})"


def generation(newest: Path, place: int) -> Path:
    """Where the checkpoint goes that was written `place` before the newest, e.g. `checkpoint-1.pt`.

    Args:
        newest: Where the newest one goes.
        place: 0 is the newest itself.
    """
    return newest.with_name(f"{newest.stem}-{place}{newest.suffix}") if place else newest


def generations(newest: Path) -> list[Path]:
    """The checkpoints there are, the newest first; none where the folder is not there.

    Args:
        newest: Where the newest one goes.
    """
    name = re.compile(re.escape(newest.stem) + _OLDER + re.escape(newest.suffix))
    older = [
        int(found[1]) for other in _names_in(newest.parent) if (found := name.fullmatch(other))
    ]
    places = (generation(newest, place) for place in (0, *sorted(older)))
    return [path for path in places if path.is_file()]


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
