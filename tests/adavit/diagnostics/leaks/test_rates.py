import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import beta

from adavit.diagnostics.leaks import rates
from adavit.diagnostics.leaks.rates import Confusion, draw_rates, estimate_rate
from tests.adavit.diagnostics.leaks.test_diagnosis import told


def sample(
    random: np.random.Generator,
    rate: float,
    *,
    images: int,
    tests: int,
    sensitivity: float,
    specificity: float,
) -> tuple[np.ndarray, Confusion]:
    """Alarms of a probe of known errors on images of which a known share, exactly, is operated."""
    operated = np.arange(images) < round(rate * images)
    alarms = random.random(images) < np.where(operated, sensitivity, 1 - specificity)
    # The draws on one image depend on one another: some images are easy and some are hard.
    ease = np.clip(random.normal(sensitivity, 0.1, size=(tests, 1)), 0, 1)
    hits = (random.random((tests, 4)) < ease).mean(1)
    return alarms, Confusion(random.random(tests) < 1 - specificity, hits)


def test_the_estimate_is_that_of_rogan_and_gladen(rng: np.random.Generator) -> None:
    alarms = np.arange(100) < 30
    confusion = Confusion(np.arange(50) < 5, np.where(np.arange(50) < 40, 1.0, 0.5))
    # Sensitivity .9, specificity .9: (.3 + .9 - 1) / (.9 + .9 - 1).
    assert (confusion.sensitivity, confusion.specificity) == pytest.approx((0.9, 0.9))
    assert confusion.balanced_accuracy == pytest.approx(0.9)
    rate = estimate_rate(alarms, confusion, rng)
    assert rate.value == pytest.approx(0.25)
    assert rate.low < rate.value < rate.high
    assert rate.is_possible


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_the_estimate_stays_a_share(
    rng: np.random.Generator, share: float, expected: float
) -> None:
    alarms = np.full(200, share == 1)
    confusion = Confusion(np.arange(50) < 10, np.full(50, 0.8))
    rate = estimate_rate(alarms, confusion, rng)
    assert rate.value == expected
    assert 0 <= rate.low <= rate.high <= 1


def test_no_alarm_among_few_images_is_no_certainty(rng: np.random.Generator) -> None:
    confusion = Confusion(np.zeros(500, bool), np.ones(500))
    few = estimate_rate(np.zeros(20, bool), confusion, rng)
    many = estimate_rate(np.zeros(2000, bool), confusion, rng)
    assert few.value == many.value == 0
    # The exact upper bound of 0 of 20 is 1 - .025^(1/20) = .168, Jeffreys' .117.
    assert 0.08 < few.high < 0.17
    assert many.high < 0.005


def test_fewer_test_images_widen_the_interval(rng: np.random.Generator) -> None:
    widths = []
    for tests in (40, 4000):
        confusion = Confusion(
            np.arange(tests) < tests // 10, (np.arange(tests) % 10 < 9).astype(np.float64)
        )
        rate = estimate_rate(np.arange(100_000) < 30_000, confusion, rng)
        widths.append(rate.high - rate.low)
    assert widths[0] > 5 * widths[1]  # about the root of 100


def test_a_probe_that_guesses_is_refused(rng: np.random.Generator) -> None:
    confusion = Confusion(np.arange(10) < 5, np.full(10, 0.5))
    with pytest.raises(ValueError, match="must be above"):
        estimate_rate(np.zeros(10, bool), confusion, rng)


def test_the_interval_of_a_perfect_probe_is_that_of_jeffreys(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "REPLICATES", 200_000)
    perfect = Confusion(np.zeros(1_000_000, bool), np.ones(1))
    rate = estimate_rate(np.arange(100) < 30, perfect, rng)
    # An end of so many replicates is known to 0.0003; that of 97% would lie 0.008 further out.
    expected = beta.ppf([0.025, 0.975], 30.5, 70.5)
    assert (rate.low, rate.high) == pytest.approx(tuple(expected), abs=0.0015)


@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity"),
    [(0.0, 0.9, 0.95), (0.1, 0.75, 0.8), (0.3, 0.98, 0.98), (0.1, 1.0, 1.0)],
)
def test_intervals_hold_the_true_rate_as_often_as_they_say(
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    rate: float,
    sensitivity: float,
    specificity: float,
) -> None:
    monkeypatch.setattr(rates, "REPLICATES", 500)
    inside = 0
    for _ in range(200):
        alarms, confusion = sample(
            rng, rate, images=400, tests=300, sensitivity=sensitivity, specificity=specificity
        )
        estimate = estimate_rate(alarms, confusion, rng)
        inside += estimate.low <= rate <= estimate.high
    # 95% of 200 are 190 with a standard deviation of 3; four of those below is an error of ours.
    assert inside >= 178


def test_far_fewer_or_more_alarms_than_the_errors_allow_are_no_possible_rate(
    rng: np.random.Generator,
) -> None:
    confusion = Confusion(np.arange(500) % 5 < 1, np.full(500, 0.8))  # false alarms 20%, hits 80%
    possible = [
        estimate_rate(np.arange(500) < alarms, confusion, rng).is_possible
        for alarms in (20, 95, 250, 405, 480)
    ]
    assert possible == [False, True, True, True, False]


def bar_lengths(entries: list[dict[str, Any]]) -> int:
    content = draw_rates(entries, "$title_{")
    image = Image.open(io.BytesIO(content)).convert("RGB")
    pixels = np.asarray(image).astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 120) & (pixels[..., 2] < 120)
    return int(red.sum())


def test_the_picture_has_bars_as_long_as_the_rates() -> None:
    high = told("rotate", 0.6)
    single = bar_lengths([high, told("scale", 0.0)])
    double = bar_lengths([high, told("scale", 0.6)])
    assert single > 1000
    assert 1.8 < double / single < 2.2
    nothing = [{"operation": "xint", "cannot_be_told": "too hard"}]
    assert bar_lengths(nothing) == 0


def test_the_picture_shows_the_intervals_and_what_is_to_be_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(rates, "figure_png", lambda figure, **_: drawn.append(figure) or b"")
    entries = [told("rotate", 0.6), told("scale", 0.2)]
    draw_rates(entries, "a title", "a warning " * 20)
    (axis,) = drawn[0].axes
    for bars, key in zip(axis.containers[1::2], ("rate", "control_rate"), strict=True):
        (lines,) = bars.errorbar[2]
        ends = [100 * entry[key][end] for entry in entries for end in ("low", "high")]
        found = [x for line in lines.get_segments() for x, _ in line]
        assert found == pytest.approx(ends)
    title, *warning = axis.get_title(loc="left").split("\n")
    assert title == "a title"
    assert " ".join(warning) == " ".join(["a warning"] * 20)
    assert max(map(len, warning)) <= rates.HEADING_CHARACTERS
