"""Random sets of which it is known what they hold: the counts add up, and nothing but our errors is raised."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from adavit.data import ImageSet, load_images
from adavit.errors import UserError
from tests.references.planted_sets import PlantedSet, plant

SETS = int(os.environ.get("ADAVIT_FUZZ_SETS", "150"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="names, links and pipes of POSIX"),
]


@pytest.mark.parametrize("seed", range(SETS))
def test_every_file_is_an_image_or_named_as_left_out(tmp_path: Path, seed: int) -> None:
    planted = plant(tmp_path, seed)
    found = loaded(planted, tmp_path / "cache")
    if found is None:
        return
    assert not planted.contradictory or not planted.good
    left_out = {each.name for each in found.skipped}
    named = sum(name in left_out for name in planted.bad)
    assert named == len(planted.bad), f"{set(planted.bad) - left_out} are not named"
    assert not left_out & set(planted.good)
    doubtful = [name for name in planted.open if name not in left_out]
    doubtful = [name for name in doubtful if not name.endswith("dataset.json")]
    assert len(found) == len(planted.good) + len(doubtful)
    assert found.images.dtype == np.uint8
    assert all(note.isprintable() for note in found.notes)
    again = load_images(str(planted.path), cache_dir=tmp_path / "cache")
    assert again.fingerprint == found.fingerprint
    if found.labels is not None:
        assert set(found.labels.tolist()) == set(range(len(found.classes)))


def loaded(planted: PlantedSet, cache_dir: Path) -> ImageSet | None:
    """The set; None if it was refused, as it must be where nothing can be read or its labels contradict."""
    try:
        return load_images(str(planted.path), cache_dir=cache_dir)
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    if planted.contradictory and "two labels" in message:
        return None
    assert not planted.good, message
    assert "has no image that can be read" in message
    return None
