import numpy as np
import pytest

from adavit.data.split import Split, draw_evenly, split_counts, split_images
from adavit.errors import UserError


def split(
    count: int, subset: int | None = None, fraction: float | None = None, seed: int = 0
) -> Split:
    return split_images(count, subset=subset, heldout_fraction=fraction, seed=seed)


@pytest.mark.parametrize(
    ("count", "subset", "fraction", "train", "heldout"),
    [
        (499, None, None, 499, 0),  # too few to hold any out
        (500, None, None, 476, 24),  # 5% of 476, from inside
        (2000, None, None, 1905, 95),
        (2000, 2000, None, 1905, 95),  # no rest
        (40, None, 0.5, 27, 13),  # 13 of 27, as 10 of 20 with a subset
        (40, None, 0.9, 21, 19),
        (40, 20, 0.5, 20, 10),
        (5438, 2000, None, 2000, 100),  # from the rest: all 2,000 train
        (5438, 499, None, 499, 0),
        (1000, 990, None, 990, 10),  # the rest is smaller than 5%
        (1000, 200, 0.1, 200, 20),
        (100, 20, 0.01, 20, 1),  # a fifth of an image: asked for, so at least one
        (1000, None, 0.0, 1000, 0),
        (100, None, 0.1, 91, 9),
        (100, None, 0.001, 99, 1),  # asked for: at least one
        (1, None, 0.5, 1, 0),  # but one image trains
        (2, None, 0.99, 1, 1),
    ],
)
def test_sizes_of_both_parts(
    count: int, subset: int | None, fraction: float | None, train: int, heldout: int
) -> None:
    found = split(count, subset, fraction)
    assert (len(found.train), len(found.heldout)) == (train, heldout)
    assert split_counts(count, subset=subset, heldout_fraction=fraction) == (train, heldout)
    both = np.concatenate([found.train, found.heldout])
    assert len(set(both.tolist())) == train + heldout  # disjoint
    assert both.min() >= 0
    assert both.max() < count
    for part in (found.train, found.heldout):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


def test_the_split_is_a_function_of_the_seed() -> None:
    first, again, other = (
        split(1000, 300, 0.1),
        split(1000, 300, 0.1),
        split(1000, 300, 0.1, seed=1),
    )
    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.heldout, again.heldout)
    assert set(first.train.tolist()) != set(other.train.tolist())
    assert set(first.heldout.tolist()) != set(other.heldout.tolist())


def test_larger_subsets_contain_smaller_ones() -> None:
    small, large = split(1000, 100), split(1000, 300)
    assert set(small.train.tolist()) < set(large.train.tolist())


def test_a_subset_is_spread_over_the_set() -> None:
    # Uniform would have 250 in each quarter, with a standard deviation of 12.
    counts = np.histogram(split(4000, 1000).train, bins=4, range=(0, 4000))[0]
    assert (np.abs(counts - 250) < 60).all()


def test_global_random_state_changes_nothing() -> None:
    np.random.seed(3)  # noqa: NPY002 - the point of the test
    first = split(1000, 300)
    np.random.seed(4)  # noqa: NPY002
    np.testing.assert_array_equal(first.train, split(1000, 300).train)


@pytest.mark.parametrize(
    ("subset", "fraction", "message"),
    [
        (
            101,
            None,
            (
                r"data\.subset asks for 101 images, but the set has 100\. Lower --subset or add"
                r" images\."
            ),
        ),
        (0, None, r"data\.subset is 0, but must be at least 1\. Raise --subset"),
        (None, 1.0, r"data\.val_fraction is 1\.0, but must be at least 0 and below 1\. Use"),
        (None, -0.1, r"data\.val_fraction is -0\.1"),
        (None, float("nan"), r"data\.val_fraction is nan"),
    ],
)
def test_settings_out_of_range_are_errors_of_three_parts(
    subset: int | None, fraction: float | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        split(100, subset, fraction)


@pytest.mark.parametrize("wanted", [1, 7, 40, 99])
def test_each_class_gives_its_share_to_a_draw(wanted: int) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    drawn = draw_evenly(labels, 100, wanted, seed=3)
    assert len(set(drawn.tolist())) == wanted
    assert (np.diff(drawn) > 0).all()
    shares = np.array([0.6, 0.3, 0.1]) * wanted
    counts = np.bincount(labels[drawn], minlength=3)
    assert (np.abs(counts - shares) < 1).all()


def test_every_image_is_drawn_as_often_as_any_other() -> None:
    labels = np.repeat([0, 1], [7, 3])
    counts = np.zeros(10)
    for seed in range(2000):
        counts[draw_evenly(labels, 10, 4, seed)] += 1
    assert (np.abs(counts / 2000 - 0.4) < 4 * (0.4 * 0.6 / 2000) ** 0.5).all()


def test_a_draw_is_a_function_of_the_seed_and_may_take_all() -> None:
    np.testing.assert_array_equal(draw_evenly(None, 50, 9, 1), draw_evenly(None, 50, 9, 1))
    assert set(draw_evenly(None, 50, 9, 1)) != set(draw_evenly(None, 50, 9, 2))
    np.testing.assert_array_equal(draw_evenly(None, 5, 9, 1), np.arange(5))
