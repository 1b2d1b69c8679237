import math
import re

import pytest
import torch

from adavit.models import ViTDiscriminator
from adavit.watch.alarms import (
    LARGEST_LOGIT,
    LEAST_ENTROPY,
    LOSING,
    MOST_SIMILAR,
    attention_alarms,
    losing_alarm,
    not_judged,
    overfitting_alarm,
    overfitting_not_judged,
    training_alarms,
)
from adavit.watch.figures import AttentionFigures, TokenFigures
from adavit.watch.logits import LogitFigures
from tests.networks import make_resnet, make_vit


def layer(entropy: float = 0.5, logit: float = 5.0) -> AttentionFigures:
    return AttentionFigures("block 2", [0.9, entropy], [1.0, logit])


def test_a_healthy_encoder_raises_no_alarm() -> None:
    limits = layer(LEAST_ENTROPY, LARGEST_LOGIT)
    assert attention_alarms([layer(), limits], [TokenFigures("block 1", MOST_SIMILAR, True)]) == []


def test_the_limits_are_those_of_reading_a_run() -> None:
    within = attention_alarms([layer(0.051, 49.0)], [TokenFigures("block 1", 0.949, True)])
    assert within == []
    beyond = attention_alarms([layer(0.049, 51.0)], [TokenFigures("block 1", 0.951, True)])
    names = [alarm.name for alarm in beyond]
    assert names == ["entropy of block 2", "logits of block 2", "similarity of block 1"]


@pytest.mark.parametrize(
    ("figures", "name", "words"),
    [
        (layer(entropy=0.01), "entropy of block 2", "1 of 2 heads"),
        (layer(entropy=math.nan), "entropy of block 2", "1 of 2 heads"),
        (layer(logit=80.0), "logits of block 2", "reach 80"),
        (layer(logit=math.nan), "logits of block 2", "reach"),
    ],
)
def test_collapsed_attention_raises_an_alarm(
    figures: AttentionFigures, name: str, words: str
) -> None:
    (alarm,) = attention_alarms([figures], [])
    assert alarm.name == name
    assert words in alarm.message


def test_tokens_that_are_all_alike_raise_an_alarm_where_they_are_read() -> None:
    states = [
        TokenFigures("embedding", 0.99, True),
        TokenFigures("block 1", 0.97, True),
        TokenFigures("block 2", 0.99, False),
    ]
    (alarm,) = attention_alarms([], states)
    assert alarm.name == "similarity of block 1"
    assert "0.970" in alarm.message


@pytest.mark.parametrize(
    ("r", "real", "alarms"),
    [
        (LOSING, 1000, 0),
        (-0.1, 1000, 1),
        (-0.2, 1000, 1),
        (-0.2, 10, 0),
        (-0.6, 10, 1),
        (-1.0, 3, 0),
        (0.6, 1000, 0),
        (math.nan, 0, 0),
    ],
)
def test_a_losing_discriminator_raises_an_alarm(r: float, real: int, alarms: int) -> None:
    found = losing_alarm(r, real=real, generated=1000)
    assert len(found) == alarms
    for alarm in found:
        assert f"{(1 - r) / 2:.0%} of pairs" in alarm.message


@pytest.mark.parametrize(("real", "generated"), [(10, 1000), (100, 1000), (250, 250), (1000, 1000)])
def test_images_that_cannot_be_told_apart_are_not_taken_for_a_loss(
    real: int, generated: int
) -> None:
    stream = torch.Generator().manual_seed(real)
    alarms = 0
    for _ in range(300):
        sides = {
            kind: torch.randn(count, generator=stream)
            for kind, count in (("training", real), ("generated", generated))
        }
        r = LogitFigures(sides).values["r_relative"]
        alarms += len(losing_alarm(r, real=real, generated=generated))
    assert alarms < 3


@pytest.mark.parametrize("heldout", [2, 4, 5, 10, 100])
def test_held_out_images_that_cannot_be_told_from_training_images_are_no_sign_of_overfitting(
    heldout: int,
) -> None:
    stream = torch.Generator().manual_seed(heldout)
    alarms = 0
    for _ in range(300):
        sides = {
            "training": torch.randn(95, generator=stream),
            "heldout": torch.randn(heldout, generator=stream),
            "generated": torch.randn(500, generator=stream) - 0.5,
        }
        alarms += len(overfitting_alarm(LogitFigures(sides)))
    assert alarms < 3


def test_the_limit_of_losing_is_three_standard_errors_of_a_thousand_images() -> None:
    images = 1000
    error = 2 * math.sqrt((2 * images + 1) / (12 * images**2))
    assert pytest.approx(-3 * error, abs=0.003) == LOSING


def test_overfitting_is_told_from_few_images() -> None:
    noise = torch.linspace(-1, 1, 100)
    sides = {"training": 2 + noise, "heldout": noise - 1, "generated": noise - 2}
    (alarm,) = overfitting_alarm(LogitFigures(sides))
    assert "75%" in alarm.message
    assert alarm.message.startswith("the discriminator knows its training images by heart")
    (other,) = overfitting_alarm(LogitFigures(sides), "the head", "or think")
    assert other.message.startswith("the head knows")
    assert other.message.endswith("Add data, augment more, or think.")
    assert overfitting_alarm(LogitFigures({**sides, "heldout": 1.5 + noise})) == []
    few = {"training": 2 + noise * 5, "heldout": torch.tensor([-9.0, 7.0]), "generated": noise - 2}
    assert overfitting_alarm(LogitFigures(few)) == []
    del sides["heldout"]
    assert overfitting_alarm(LogitFigures(sides)) == []


@pytest.mark.parametrize(("r_v", "alarms"), [(0.45, 0), (0.55, 1)])
def test_held_out_images_half_the_way_down_to_generated_ones_are_no_longer_known(
    r_v: float, alarms: int
) -> None:
    noise = torch.linspace(-1, 1, 1000)
    figures = LogitFigures(
        {"training": 10 + noise, "heldout": 10 * (1 - r_v) + noise, "generated": noise}
    )
    assert figures.r_v == pytest.approx(r_v)
    assert len(overfitting_alarm(figures)) == alarms


def drawn(**means: tuple[float, int]) -> LogitFigures:
    """Normal logits of deviation 1, about each mean as many as told."""
    stream = torch.Generator().manual_seed(0)
    return LogitFigures(
        {kind: mean + torch.randn(count, generator=stream) for kind, (mean, count) in means.items()}
    )


@pytest.mark.parametrize(("generated", "r_v"), [(0.2, None), (-0.5, 2.0), (-0.9, 1.1)])
def test_no_share_above_the_whole_way_is_told_of_held_out_images(
    generated: float, r_v: float | None
) -> None:
    figures = drawn(training=(0, 1000), heldout=(-1, 100), generated=(generated, 1000))
    assert figures.as_record()["r_v"] == (r_v and pytest.approx(r_v, rel=0.2))
    (alarm,) = overfitting_alarm(figures)
    place = (
        "the mean logit of held-out images lies below that of training images and no higher than"
    )
    assert f"{place} that of generated ones, expected at most 50% of the way." in alarm.message
    assert re.findall(r"\d+%", alarm.message) == ["50%"]


@pytest.mark.parametrize("heldout", [2, 3])
def test_held_out_images_too_few_for_an_alarm_do_not_pass_for_sound(heldout: int) -> None:
    figures = drawn(training=(5, 1000), generated=(-5, 1000))
    figures.by_kind["heldout"] = torch.linspace(-6, -4, heldout)
    assert overfitting_alarm(figures) == []
    (line,) = not_judged(figures)
    assert line.startswith(
        "Whether the discriminator knows its training images by heart cannot be told: the mean"
    )
    assert f"but 1,000 training and {heldout} held-out images are too few." in line
    assert line.endswith("A run with a larger --val-fraction holds out more.")
    assert all(int(share) <= 100 for share in re.findall(r"(\d+)%", line))
    (other,) = overfitting_not_judged(figures, "the head")
    assert other.startswith("Whether the head knows its training images")


def test_training_images_too_few_for_an_alarm_are_not_asked_of_other_data() -> None:
    figures = drawn(training=(0.2, 100), heldout=(0, 1000), generated=(-0.1, 1000))
    (line,) = overfitting_not_judged(figures)
    assert "100 training and 1,000 held-out images are too few." in line
    assert line.endswith(
        "Raise --images, where the run has more; else a run on more images can tell."
    )


def test_what_has_an_alarm_or_lies_near_training_images_is_judged() -> None:
    for mean, alarms in ((5.0, 0), (2.0, 0), (-5.0, 1)):
        figures = drawn(training=(5, 1000), heldout=(mean, 100), generated=(-5, 1000))
        assert len(overfitting_alarm(figures)) == alarms
        assert not_judged(figures) == []


@pytest.mark.parametrize(
    ("training", "heldout", "generated", "told"),
    [
        (100, 5, 1000, []),
        (19, 0, 20, ["by heart", "19 training and 0 held-out images", "--val-fraction"]),
        (19, 1, 20, ["by heart", "19 training and 1 held-out images", "--val-fraction"]),
        (3, 5, 1000, ["is losing", "3 training and 1,000 generated images", "Leave --data out"]),
    ],
)
def test_alarms_that_lack_images_say_so(
    training: int, heldout: int, generated: int, told: list[str]
) -> None:
    counts = {"training": training, "heldout": heldout, "generated": generated}
    sides = {kind: torch.zeros(count) for kind, count in counts.items() if count}
    found = not_judged(LogitFigures(sides))
    assert len(found) == bool(told)
    assert all(word in found[0] for word in told)


def test_without_training_images_neither_alarm_can_tell() -> None:
    sides = {"heldout": torch.zeros(50), "generated": torch.zeros(50)}
    losing, overfitting = not_judged(LogitFigures(sides))
    assert losing.startswith("Whether the discriminator is losing cannot be told from 0 training")
    assert "by heart cannot be told from 0 training and 50 held-out images" in overfitting
    assert all(
        line.endswith("Leave --data out, or raise --images.") for line in (losing, overfitting)
    )


def collapsed(factor: float) -> ViTDiscriminator:
    torch.manual_seed(0)
    network = make_vit(
        resolution=16, patch=4, width=16, heads=2, depth=2, attention="dot", layer_scale=1.0
    )
    with torch.no_grad():
        network.encoder.blocks[1].attention.query_key_value.weight[:32] *= factor
    return network


def test_the_watch_sees_a_collapse_and_changes_nothing() -> None:
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    none = {"r_relative": math.nan, "real": 0, "generated": 0}
    assert training_alarms(collapsed(1.0), images, **none) == []
    network = collapsed(1000.0)
    state, stream = network.state_dict(), torch.get_rng_state()
    before = {name: value.clone() for name, value in state.items()}
    found = training_alarms(network, images, r_relative=-0.5, real=100, generated=100)
    names = [alarm.name for alarm in found]
    assert names == ["losing", "entropy of block 2", "logits of block 2"]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), stream)
    assert network.training


def test_the_watch_of_a_convolutional_discriminator_looks_at_logits_alone() -> None:
    network = make_resnet(resolution=8, channel_base=64, channel_max=8)
    for r_relative, names in ((0.5, []), (-1.0, ["losing"])):
        found = training_alarms(
            network, torch.zeros(2, 3, 8, 8), r_relative=r_relative, real=100, generated=100
        )
        assert [alarm.name for alarm in found] == names
