import pytest
import torch

from adavit.features.architectures import ARCHITECTURES
from adavit.features.critic import FeatureCritic
from adavit.features.mixing import MIXINGS
from adavit.features.network import FrozenNetwork

TAPS = ARCHITECTURES["squeezenet1_1"].taps


def make_critic(
    mixing: str = "none", num_classes: int = 0, normalization: str = "none"
) -> FeatureCritic:
    network = FrozenNetwork("squeezenet1_1", side=64, taps=TAPS[:2])
    torch.manual_seed(0)
    return FeatureCritic(
        network,
        mixing=mixing,
        width=8,
        normalization=normalization,
        minibatch_std_group=0,
        num_classes=num_classes,
    )


def batches() -> list[torch.Tensor]:
    stream = torch.Generator().manual_seed(7)
    return [torch.rand(count, 3, 32, 32, generator=stream) * 2 - 1 for count in (6, 3)]


@pytest.mark.parametrize("size", [(24, 40), (48, 32)])
def test_images_of_another_shape_are_judged_at_as_many_places(size: tuple[int, int]) -> None:
    critic = make_critic()
    critic.calibrate([torch.rand(4, 1, *size) * 2 - 1])
    images = (torch.rand(2, 1, *size) * 2 - 1).requires_grad_()
    logits = critic(images)
    squares = critic(torch.zeros(2, 1, 64, 64))
    assert [each.shape for each in logits] == [each.shape for each in squares]
    sum(each.square().sum() for each in logits).backward()
    assert images.grad is not None
    assert (images.grad.abs().amax(dim=(0, 1)) > 0).all()  # nothing of them is left out


def test_maps_are_standardised_by_the_images_it_was_calibrated_on() -> None:
    critic = make_critic()
    critic.calibrate(batches())
    for features in critic.maps(torch.cat(batches())):
        alive = features.std(dim=(0, 2, 3)) > 0.99  # others are hardly ever active
        assert alive.float().mean() > 0.5
        torch.testing.assert_close(
            features.mean(dim=(0, 2, 3)), torch.zeros(len(alive)), rtol=0, atol=1e-3
        )
        deviations = features.std(dim=(0, 2, 3), unbiased=False)[alive]
        torch.testing.assert_close(deviations, torch.ones(len(deviations)), rtol=0.05, atol=0)


def test_a_channel_that_no_training_image_excites_is_not_enlarged() -> None:
    """It was divided by its deviation of 0, made .001: generated images that excite it had 1,000 times its value."""
    critic = make_critic()
    network = critic.frozen[0].network
    count = TAPS[1].channels
    gains = torch.ones(1, count, 1, 1)
    gains[:, 0] = 0.0
    gains[:, 1] = 1e-4

    def excited(_module: object, _inputs: object, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        spread = torch.randn(maps[1].shape, generator=torch.Generator().manual_seed(1))
        return [maps[0], spread * gains]

    handle = network.register_forward_hook(excited)
    critic.calibrate(batches())
    gains = torch.ones(1, count, 1, 1)
    seen = critic.maps(batches()[0])[1]
    handle.remove()
    usual = seen[:, 2:].square().mean().sqrt()
    assert 0.9 < usual < 1.1
    assert seen[:, :2].abs().max() < 10 * 5 * usual


@pytest.mark.parametrize("mixing", MIXINGS)
def test_each_head_judges_its_map(mixing: str) -> None:
    critic = make_critic(mixing).eval()
    critic.calibrate(batches())
    images = batches()[0]
    expected = [
        head(features, None)
        for head, features in zip(critic.heads, critic.maps(images), strict=True)
    ]
    for found, wanted in zip(critic(images), expected, strict=True):
        torch.testing.assert_close(found, wanted)
        assert found.shape[0] == len(images)


def test_its_state_is_all_but_the_network_which_is_a_file() -> None:
    critic = make_critic("scales")
    critic.calibrate(batches())
    names = critic.state_dict()
    assert not [name for name in names if "network" in name]
    assert {name.partition(".")[0] for name in names} == {
        *("mean0", "mean1", "std0", "std1", "mixing", "heads")
    }
    torch.manual_seed(5)
    other = FeatureCritic(
        critic.frozen[0],
        mixing="scales",
        width=8,
        normalization="none",
        minibatch_std_group=0,
        num_classes=0,
    )
    other.load_state_dict(names)
    images = batches()[0]
    for found, wanted in zip(other.eval()(images), critic.eval()(images), strict=True):
        assert torch.equal(found, wanted)


def test_it_moves_with_its_network() -> None:
    critic = make_critic().to(torch.float64)
    assert critic.frozen[0].mean.dtype == torch.float64
    assert critic.maps(batches()[0].double())[0].dtype == torch.float64


def test_a_map_too_small_to_be_judged_is_named() -> None:
    network = FrozenNetwork("squeezenet1_1", side=64, taps=TAPS)
    with pytest.raises(ValueError, match=r"features\.12 .* has 3x3 features .* at least 4x4"):
        FeatureCritic(
            network,
            mixing="none",
            width=8,
            normalization="none",
            minibatch_std_group=0,
            num_classes=0,
        )


@pytest.mark.parametrize(
    ("key", "known"), [("mixing", "none, channels, scales"), ("normalization", "none, batch")]
)
def test_a_name_that_stands_for_nothing_is_told_with_those_that_do(key: str, known: str) -> None:
    with pytest.raises(ValueError, match=rf"^{key} is 'foo', but must be one of {known}\. Use one"):
        make_critic(**{key: "foo"})


def test_classes_change_its_verdict() -> None:
    critic = make_critic(num_classes=3).eval()
    images = batches()[0]
    verdicts = [critic(images, torch.full((6,), label))[0] for label in (0, 1)]
    assert not torch.equal(*verdicts)


@pytest.fixture(scope="module")
def transformer() -> FrozenNetwork:
    vit = ARCHITECTURES["vit_b_16"]
    assert vit.class_token is not None
    return FrozenNetwork("vit_b_16", side=64, taps=(vit.taps[0], vit.class_token))


@pytest.mark.parametrize("mixing", MIXINGS)
def test_a_class_token_is_judged_beside_the_maps_and_not_mixed(
    mixing: str, transformer: FrozenNetwork
) -> None:
    network = transformer
    torch.manual_seed(0)
    critic = FeatureCritic(
        network, mixing=mixing, width=8, normalization="none", minibatch_std_group=0, num_classes=0
    ).eval()
    critic.calibrate(batches())
    images = batches()[0]
    seen = network(images)[1]
    token = critic.maps(images)[1]
    torch.testing.assert_close(token * critic.get_buffer("std1") + critic.get_buffer("mean1"), seen)
    on_map, on_token = critic(images)
    assert on_map.shape == on_token.shape == (6, 1)
    torch.testing.assert_close(on_token, critic.heads[1](token, None))
