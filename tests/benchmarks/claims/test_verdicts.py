import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from benchmarks.claims import verdicts
from benchmarks.claims.comparison import Comparison, factors, spread
from benchmarks.claims.leaking import leaking
from benchmarks.claims.results import GROUPS, PROBABILITY, Outcome, Place
from benchmarks.claims.verdicts import FAILS, HOLDS, OPEN, together
from tests.benchmarks.claims.made_up import SEEDS, ending_at, noise, places, results


def test_two_cells_are_level_where_their_difference_changes_its_sign() -> None:
    ones = {"0": 1.0, "1": 2.0, "2": 4.0}
    lower = Comparison.of({seed: value - 0.5 for seed, value in ones.items()}, ones)
    assert (lower.word, lower.text) == ("lower", "-0.5 [-0.5, -0.5], lower")
    assert Comparison.of(ones, {seed: value - 0.5 for seed, value in ones.items()}).word == "higher"
    assert Comparison.of(ones, {"0": 1.1, "1": 1.9, "2": 4.0}).word == "level"
    assert Comparison.of(ones, {"0": 9.0, "1": 9.0}).word == "cannot be told"  # two pairs
    assert Comparison.of(ones, {}).text == "cannot be told"


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_chance_of_a_difference_is_that_of_a_paired_t_test(seeds: int) -> None:
    figures = np.array([[5.0, 7.5, 6.0, 9.0, 8.0], [6.0, 8.0, 7.5, 9.5, 8.25]])[:, :seeds]
    ones, others = ({str(i): float(x) for i, x in enumerate(row)} for row in figures)
    expected = ttest_rel(*figures).pvalue
    assert 0.01 < expected < 0.1
    assert Comparison.of(ones, others).chance == pytest.approx(expected)
    assert Comparison.of(others, ones).chance == pytest.approx(expected)


def test_a_gain_is_the_logarithm_of_how_many_times_lower() -> None:
    assert factors({"0": 5.0, "1": 20.0, "7": 1.0}, {"0": 10.0, "1": 20.0}) == {
        "0": pytest.approx(math.log(2)),
        "1": 0,
    }
    assert spread({"0": 1.0, "1": 3.0}) == "2 ± 1.41"
    assert spread({}) == "-"
    assert (verdicts.times({"0": math.log(2)}), verdicts.times({})) == ("2.00 times", "-")


def test_parts_that_agree_make_one_verdict() -> None:
    assert together([HOLDS, HOLDS]) == HOLDS
    assert together([HOLDS, OPEN]) == "holds, as far as it can be told"
    assert together([HOLDS, FAILS, OPEN]) == "holds in part"


@pytest.mark.parametrize(
    ("figures", "word", "reason"),
    [
        ({"none": 10, "bg": 4, "bgc": 3.999}, HOLDS, "bg brings 100% of what"),
        ({"none": 10, "bg": 4, "color": 3}, FAILS, "clearly below bg: color"),
        ({"none": 10, "bg": 4, "color": 3.8}, OPEN, "below bg, but not clearly: color"),
        ({"none": 10, "blit": 4}, FAILS, "bg is not below none, but clearly blit"),
        ({"none": 10, "bg": 20}, OPEN, "no group is clearly below none"),
        ({}, OPEN, "no group is clearly below none"),
    ],
)
def test_groups(figures: dict[str, float], word: str, reason: str) -> None:
    def make(place: Place, seed: int) -> Outcome:
        return ending_at(seed + figures.get(place.cell, 10) + noise(seed) * (place.cell != "bg"))

    verdict = verdicts.groups_of_operations(results(make))
    assert verdict.word == word
    assert all(reason in part for part in verdict.parts)
    assert sum("| vit |" in line for line in verdict.table) == 10


def test_groups_do_not_bring_the_gain_where_others_alone_are_below_none() -> None:
    def make(place: Place, seed: int) -> Outcome:
        if place.cell == "bg":  # level with all others
            return ending_at(seed + 10 + 30 * noise(seed))
        return ending_at(seed + (9 if place.cell == "color" else 10) + noise(seed))

    verdict = verdicts.groups_of_operations(results(make))
    assert verdict.word == FAILS
    assert all("bg is not below none, but clearly color" in part for part in verdict.parts)


def test_groups_that_are_level_with_more_do_not_bring_nearly_all_of_it() -> None:
    def make(place: Place, seed: int) -> Outcome:
        level = {"bg": 9.0, "color": (5.0, 5.0, 9.5)[seed]}
        return ending_at(level.get(place.cell, 10 + noise(seed) / 10))

    verdict = verdicts.groups_of_operations(results(make))
    assert verdict.word == OPEN
    assert all("bg brings 29% of what the lowest, color, does" in part for part in verdict.parts)


def test_of_groups_that_are_alike_none_is_below_the_others_by_chance() -> None:
    stream, failed = np.random.default_rng(0), 0
    for _ in range(40):

        def make(place: Place, seed: int) -> Outcome:
            return ending_at(float(np.exp(stream.normal(3, 0.1))) + 20 * (place.cell == "none"))

        failed += sum(
            f": {FAILS}" in part for part in verdicts.groups_of_operations(results(make)).parts
        )
    assert failed <= 0.1 * 80  # about 45 where each word counts for itself


def test_what_is_missing_is_not_told() -> None:
    def make(place: Place, seed: int) -> Outcome | None:
        return None if (place.cell, seed) == ("bg", 2) else ending_at(5.0)

    for claim in (
        verdicts.adaptive_p,
        verdicts.fewer_images,
        verdicts.need_of_vit,
        leaking,
        verdicts.copies,
    ):
        assert claim(results(lambda place, seed: None)).word == OPEN
        assert claim(results(make, seeds=(0, 1))).word == OPEN
    assert verdicts.groups_of_operations(results(make)).word == OPEN


@pytest.mark.parametrize(
    ("adaptive", "others", "word", "reason"),
    [
        (5.0, 8.0, HOLDS, "level with the best fixed one, p 0.4"),
        (4.0, 8.0, HOLDS, "below the best fixed one"),
        (6.0, 8.0, FAILS, "above p 0.4"),
        (5.0, 5.0, OPEN, "all fixed p are level"),
    ],
)
def test_adaptive_p(adaptive: float, others: float, word: str, reason: str) -> None:
    def make(place: Place, seed: int) -> Outcome:
        figure = {"adaptive": adaptive + noise(seed), "p 0.4": 5.0}.get(place.cell, others)
        return ending_at(seed + figure + (noise(2 - seed) if figure == others == 5 else 0))

    verdict = verdicts.adaptive_p(results(make))
    assert verdict.word == word
    assert all(reason in part for part in verdict.parts), verdict.parts


def test_adaptive_p_that_is_above_all_fixed_ones_on_average_does_not_match_the_best() -> None:
    def make(place: Place, seed: int) -> Outcome:
        level = {"adaptive": (25.0, 25.0, 4.9)[seed], "p 0.4": 5.0}
        return ending_at(level.get(place.cell, 8 + noise(seed) / 10))

    verdict = verdicts.adaptive_p(results(make))
    assert verdict.word == OPEN
    assert all("level with p 0.4, and below none that is worse" in part for part in verdict.parts)


def test_the_table_of_adaptive_p_compares_it_with_each_fixed_p() -> None:
    def make(place: Place, seed: int) -> Outcome:
        return ending_at(seed + (5.0 + noise(seed) if place.cell == "adaptive" else 8.0))

    rows = verdicts.adaptive_p(results(make)).table[2:]
    names = [place.cell for place in verdicts.cells_at(places(), PROBABILITY, "vit")]
    fixed = [name for name in names if name != "adaptive"]
    assert rows == [
        row
        for discriminator in verdicts.DISCRIMINATORS
        for row in (
            *(f"| {discriminator} | {p} | 9 ± 1 | -3 [-3.1, -2.9], lower |" for p in fixed),
            f"| {discriminator} | adaptive | 6 ± 0.954 |  |",
        )
    ]


def test_adaptive_p_is_not_told_where_seeds_of_a_fixed_p_are_missing() -> None:
    def make(place: Place, seed: int) -> Outcome | None:
        if (place.cell, seed) == ("p 0.6", 2):
            return None
        figure = {"adaptive": 5.0 + noise(seed), "p 0.4": 5.0}.get(place.cell, 8.0)
        return ending_at(seed + figure)

    verdict = verdicts.adaptive_p(results(make))
    assert verdict.word == OPEN
    assert all("cells are missing" in part for part in verdict.parts)


@pytest.mark.parametrize(("power", "word"), [(-0.1, HOLDS), (0.1, FAILS), (0.0, OPEN)])
def test_gains_by_images_and_by_discriminator(power: float, word: str) -> None:
    def make(place: Place, seed: int) -> Outcome:
        larger = place.images / 1000 if place.discriminator == "resnet" else place.images / 2000
        gain = 1 if place.cell == "none" else 2 * larger**power * math.exp(noise(seed) / 10)
        return ending_at((10 + seed) / gain)

    by_images = verdicts.fewer_images(results(make))
    assert by_images.word == word
    assert len(by_images.parts) == 4
    if power == 0:
        assert "| 2.00 times | 2.00 times | 2.00 times |" in by_images.table[2]

    def same_noise(place: Place, seed: int) -> Outcome:
        shared = noise(seed) if place.discriminator == "vit" else 0
        larger = 1 if place.discriminator == "resnet" else 0.5
        gain = 1 if place.cell == "none" else 2 * larger**power * math.exp(shared / 10)
        return ending_at((10 + seed) / gain)

    assert verdicts.need_of_vit(results(same_noise)).word == word


def test_less_harm_is_no_greater_gain() -> None:
    def make(place: Place, seed: int) -> Outcome:
        harm = 3 if place.discriminator == "resnet" else 1.1
        larger = (place.images / 100) ** 0.1 * math.exp(noise(seed) / 10)
        return ending_at((10 + seed) * (1 if place.cell == "none" else harm * larger))

    for claim in (verdicts.need_of_vit, verdicts.fewer_images):
        verdict = claim(results(make))
        assert verdict.word == OPEN
        assert all("it is no gain that can be told" in part for part in verdict.parts)


@pytest.mark.parametrize(("seeds", "reason"), [((0, 1), "cells are missing"), (SEEDS, "level")])
def test_copies_that_cannot_be_told_say_why(seeds: tuple[int, ...], reason: str) -> None:
    verdict = verdicts.copies(results(lambda place, seed: ending_at(5.0, nearness=1.0), seeds))
    assert verdict.word == OPEN
    assert all(part.endswith(f": {OPEN} ({reason})") for part in verdict.parts)


@pytest.mark.parametrize(("slope", "word"), [(0.1, HOLDS), (-0.1, FAILS)])
def test_copies(slope: float, word: str) -> None:
    def make(place: Place, seed: int) -> Outcome:
        return ending_at(
            5.0, nearness=0.8 + slope * place.images / 1000 + noise(seed) / 10, close=0.1
        )

    verdict = verdicts.copies(results(make))
    assert verdict.word == word
    assert len(verdict.parts) == 20
    assert "10.0% ± 0.0%" in verdict.table[2]


def test_what_knows_no_image_is_not_taken_for_nearer_to_few() -> None:
    # 500 fresh drawings coarsened to blobs of 8 x 8 px, in the features of drawn: they know no training image.
    blobs = {100: 1.395, 300: 1.701, 1000: 2.149}

    def make(place: Place, seed: int) -> Outcome:
        return ending_at(5.0, nearness=blobs[place.images] + noise(seed) / 10, close=0.1)

    verdict = verdicts.copies(results(make))
    assert verdict.word == OPEN
    assert all("not nearer than images never trained on" in part for part in verdict.parts)


def test_the_grids_have_the_places_that_the_claims_are_asked_of() -> None:
    found = places()
    assert len(found) * len(SEEDS) == 180 + 60 + 36 + 18
    assert Place(GROUPS, "resnet", 300, "bgcfnc") in found
    assert Place(PROBABILITY, "vit", 300, "adaptive") in found
