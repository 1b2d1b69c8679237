import pytest
import torch

from adavit.diagnostics.discriminator.feature_heads import HeadFigures, judge
from adavit.diagnostics.discriminator.inspected_images import ImagesOfOneKind, InspectedImages
from adavit.errors import UserError
from adavit.features.architectures import ARCHITECTURES
from adavit.features.background import on_random_background
from adavit.features.critic import FeatureCritic
from adavit.features.network import FrozenNetwork
from adavit.runtime.randomness import generator_for

CPU = torch.device("cpu")


def make_critic(num_classes: int = 0, group: int = 0) -> FeatureCritic:
    taps = ARCHITECTURES["mobilenet_v3_small"].taps[:2]
    network = FrozenNetwork("mobilenet_v3_small", side=64, taps=taps)
    torch.manual_seed(0)
    critic = FeatureCritic(
        network,
        mixing="none",
        width=4,
        normalization="none",
        minibatch_std_group=group,
        num_classes=num_classes,
    )
    return critic.eval().requires_grad_(False)


def inspected(channels: int = 3, *, classes: bool = False) -> InspectedImages:
    stream = torch.Generator().manual_seed(1)
    sides = {
        kind: ImagesOfOneKind(
            torch.rand(count, channels, 16, 16, generator=stream) * 2 - 1,
            torch.arange(count) % 2 if classes else None,
        )
        for kind, count in (("training", 67), ("generated", 5))
    }
    return InspectedImages(sides, {"seed": 3})


@pytest.mark.parametrize(("channels", "classes"), [(3, False), (1, True), (4, False)])
def test_each_head_is_asked_about_every_image_and_place(channels: int, classes: bool) -> None:
    critic, images = make_critic(2 if classes else 0), inspected(channels, classes=classes)
    found = judge(critic, images, CPU)
    assert list(found.by_head) == ["features.1", "features.3"]
    for kind, side in images.kinds.items():
        ground = generator_for(3, f"ground of inspected {kind}", 0)
        grounded = torch.cat([on_random_background(part, ground) for part in side.images.split(64)])
        for (head, places), expected in zip(
            found.places[kind].items(), critic(grounded, side.labels), strict=True
        ):
            assert places.shape == (len(side.images), 5, 5), head
            torch.testing.assert_close(places.flatten(1), expected, rtol=1e-4, atol=1e-6)
            mean = found.by_head[head].by_kind[kind]
            torch.testing.assert_close(mean, expected.mean(dim=1), rtol=1e-4, atol=1e-6)
    record = found.as_record()["features.3"]
    assert record["places"] == [5, 5]
    assert record["training"]["images"] == 67
    assert found.maps("training", 8)["features.3"].shape == (8, 5, 5)


def test_heads_that_compare_images_are_given_groups_of_different_ones() -> None:
    critic, images = make_critic(group=4), inspected()
    found = judge(critic, images, CPU)
    for kind, at_once in (("training", 64), ("generated", 4)):
        side = images.kinds[kind].images
        first, last = critic(side[:at_once], None), critic(side[-at_once:], None)
        for places, begin, end in zip(found.places[kind].values(), first, last, strict=True):
            expected = torch.cat([begin, end[2 * at_once - len(side) :]])
            torch.testing.assert_close(places.flatten(1), expected, rtol=1e-4, atol=1e-6)


def test_a_head_that_knows_its_training_images_by_heart_is_named() -> None:
    def places(mean: float) -> torch.Tensor:
        return mean + torch.linspace(-0.1, 0.1, 200).reshape(50, 2, 2)

    figures = HeadFigures(
        {
            "training": {"fine": places(2.0), "coarse": places(2.0)},
            "heldout": {"fine": places(1.9), "coarse": places(0.2)},
            "generated": {"fine": places(0.0), "coarse": places(0.0)},
        }
    )
    (alarm,) = figures.alarms()
    assert alarm.name == "overfitting of coarse"
    assert alarm.message.startswith("the head on coarse knows its training images by heart")
    assert "90% of the way" in alarm.message
    assert "features.maps" in alarm.message


def test_a_head_whose_held_out_images_are_too_few_to_tell_is_named() -> None:
    def places(mean: float, count: int) -> torch.Tensor:
        return mean + torch.linspace(-0.1, 0.1, 4 * count).reshape(count, 2, 2)

    figures = HeadFigures(
        {
            "training": {"fine": places(2.0, 50), "coarse": places(2.0, 50)},
            "heldout": {"fine": places(1.9, 2), "coarse": places(0.2, 2)},
            "generated": {"fine": places(0.0, 50), "coarse": places(0.0, 50)},
        }
    )
    assert figures.alarms() == []
    (line,) = figures.not_judged()
    assert line.startswith(
        "Whether the head on coarse knows its training images by heart cannot be told"
    )
    assert "lies 90% of the way down" in line


def test_verdicts_of_heads_without_a_threshold_are_not_told_by_their_sign() -> None:
    images, critic = inspected(), make_critic()
    for threshold_at_zero in (True, False):
        found = judge(critic, images, CPU, threshold_at_zero=threshold_at_zero)
        assert ("accuracy" in found.as_record()["features.1"]) == threshold_at_zero
        assert bool(found.maps("training", 8)) == threshold_at_zero


def test_a_head_that_has_diverged_is_named() -> None:
    critic = make_critic()
    critic.heads[1].readout.dense.bias.fill_(torch.inf)  # type: ignore[union-attr,operator]
    with pytest.raises(UserError, match=r"the head on features\.3 gives logits of training images"):
        judge(critic, inspected(), CPU)
