import math
from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.styles.centres import style_centres
from adavit.styles.classes import ClassChoice
from adavit.styles.directions import find_directions
from adavit.styles.directions_file import save_directions
from adavit.styles.numbers import DirectionStep
from adavit.styles.requested_change import requested_change
from tests.stored_generators import stored_generator
from tests.telling import Told


def test_all_that_is_asked_for_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("adavit.styles.centres.DRAWS", 200)
    stored, choice = stored_generator(tmp_path), ClassChoice()
    found = find_directions(stored.generator, count=2, choice=choice)
    save_directions(tmp_path / "d", found)
    change = requested_change(
        stored,
        choice,
        truncation=0.0,
        truncation_centres=3,
        steps=[DirectionStep(tmp_path / "d", 1, 2.0)],
        console=Told(),
    )
    centres = style_centres(stored.generator, choice, 3, cache_dir=tmp_path / "cache")
    torch.testing.assert_close(
        change(centres), (centres[:, None] + 2 * found.vectors[1]).expand(3, 6, 6)
    )


def test_centres_without_truncation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"--truncation-centres is 3, but --truncation is 1, .* Add"
    ):
        requested_change(
            stored_generator(tmp_path), ClassChoice(), truncation_centres=3, console=Told()
        )


@pytest.mark.parametrize("truncation", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(tmp_path: Path, truncation: float) -> None:
    with pytest.raises(UserError, match=f"--truncation is {truncation}, expected a number"):
        requested_change(
            stored_generator(tmp_path), ClassChoice(), truncation=truncation, console=Told()
        )
