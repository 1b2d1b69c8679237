"""The record in words."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from adavit.diagnostics.memorisation.summary import summarise_memorisation
from adavit.diagnostics.memorisation.training_distances import (
    PERCENTILE,
    Distances,
    closer_more_often,
    summarise,
)


def test_the_summary_says_what_was_counted() -> None:
    record = _record(features=_space((30, 100), (2, 100)), pixels=_space((2, 100), None))
    features, pixels = summarise_memorisation(record).split("pixels (")
    assert "Close: nearer than any two training images are to one another." in features
    assert "generated images  30.0% close (30 of 100; 21.9 to 39.6%), median 3" in features
    assert "held-out images   2.0% close (2 of 100; 0.6 to 7.0%), median 3" in features
    assert "held-out images   none" in pixels
    assert "1 exact copy and 2 pairs of near-duplicates, flips included" in pixels
    assert pixels.endswith("careful")
    many = _record(features=_space((30, 100), (2, 100)))
    many["protocol"]["n_leave_one_out"] = 101
    assert "nearer than 99% of the training images are" in summarise_memorisation(many)


@pytest.mark.parametrize(
    ("generated", "heldout", "words"),
    [
        ((30, 100), (2, 100), "Generated images come close to training images more often"),
        ((0, 1000), (50, 100), "Generated images do not come close"),
        # 12% are copies, and yet they are within what 25 images without a close one allow.
        ((240, 2000), (0, 25), "cannot be told; if so, by at most 13.5 points."),
        ((20, 2000), (0, 25), "cannot be told; if so, by at most 1.5 points."),
        ((2, 100), None, "cannot be told: no image was held out. A run with --val-fraction"),
    ],
)
def test_the_verdict_is_that_of_the_interval_of_the_difference(
    generated: tuple[int, int], heldout: tuple[int, int] | None, words: str
) -> None:
    text = summarise_memorisation(_record(features=_space(generated, heldout)))
    assert words in text


def test_where_all_that_was_held_out_are_copies_it_is_not_said_that_nothing_was() -> None:
    record = _record(features=_space((2, 100), None))
    record["duplicates"]["heldout_copies"] = 4
    text = summarise_memorisation(record)
    assert "cannot be told: 4 held-out images are copies of training images" in text
    assert "--val-fraction" not in text


@pytest.mark.parametrize("held_out", [0, 5, 40])
def test_new_images_are_seldom_taken_for_copies(held_out: int) -> None:
    random, accused, trials = np.random.default_rng(held_out), 0, 60
    for _ in range(trials):
        training, fakes, others = (random.normal(size=(n, 16)) for n in (50, 500, max(1, held_out)))
        among = cdist(training, training) + np.diag(np.full(50, np.inf))
        threshold = float(np.percentile(among.min(1), PERCENTILE))
        sides = [
            summarise(_distances(cdist(side, training).min(1)), threshold)
            for side in (fakes, others)
        ]
        space = _space((1, 2), None) | {"generated": sides[0]}
        if held_out:
            space |= {"heldout": sides[1], "difference_interval": closer_more_often(*sides)}
        text = summarise_memorisation(_record(features=space))
        accused += "Generated images come close" in text
    assert accused <= 0.05 * trials


def _distances(values: np.ndarray) -> Distances:
    return Distances(values, np.zeros(len(values), np.int64), np.zeros(len(values), bool))


def _record(**spaces: dict[str, Any]) -> dict[str, Any]:
    return {
        "protocol": {
            "n_fake": 100,
            "n_train": 50,
            "n_leave_one_out": 50,
            "data": "d",
            "mirror": False,
            "percentile": PERCENTILE,
        },
        "caution": "careful",
        "spaces": spaces,
        "duplicates": {
            "images": 60,
            "exact_copies": 1,
            "near_pairs": 2,
            "flips_considered": True,
            "heldout_copies": 0,
        },
    }


def _space(generated: tuple[int, int], heldout: tuple[int, int] | None) -> dict[str, Any]:
    space = {
        "distance": "unit",
        "threshold": 1.5,
        "leave_one_out_median": 2.0,
        "generated": _side(*generated),
        "heldout": None if heldout is None else _side(*heldout),
        "difference_interval": None,
    }
    if heldout is not None:
        space["difference_interval"] = closer_more_often(space["generated"], space["heldout"])
    return space


def _side(closer: int, images: int) -> dict[str, Any]:
    distances = np.where(np.arange(images) < closer, 1.0, 3.0)
    return summarise(_distances(distances), 1.5) | {"median": 3.0}
