import pytest
import torch
from torch import Tensor

from adavit.features.architectures import ARCHITECTURES
from adavit.features.critic import FeatureCritic
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.features.network import FrozenNetwork
from adavit.training.objectives.gradient_penalties import ApproximatePenalty
from adavit.training.objectives.lecam import LeCam
from adavit.training.objectives.losses import LOSSES, TopK
from tests.adavit.training.small_step import COUNT, Reference, make_step, reals, run


def make_projected(image_channels: int = 3, num_classes: int = 0) -> ProjectedDiscriminator:
    taps = ARCHITECTURES["mobilenet_v3_small"].taps[:2]
    torch.manual_seed(0)
    network = FrozenNetwork("mobilenet_v3_small", side=64, taps=taps)
    critic = FeatureCritic(
        network,
        mixing="none",
        width=4,
        normalization="none",
        minibatch_std_group=0,
        num_classes=num_classes,
    )
    critic.calibrate([reals()])
    return ProjectedDiscriminator(critic, image_channels=image_channels)


def test_it_gives_the_logits_of_all_places_of_all_heads() -> None:
    network = make_projected(num_classes=3)
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    logits = network(reals(), labels)
    expected = network.critic(reals(), labels)
    assert len(expected) == 2
    assert logits.shape == (COUNT, sum(head.shape[1] for head in expected))
    assert torch.equal(logits, torch.cat(expected, dim=1))
    assert not torch.equal(logits, network(reals(), 2 - labels))


def test_alpha_is_judged_on_grounds_that_are_drawn() -> None:
    network = make_projected(image_channels=4)
    images = torch.rand(2, 4, 8, 8) * 2 - 1
    ground = network.draw_pass(2, "real", torch.Generator().manual_seed(4))["ground"]
    alpha = (images[:, 3:] + 1) / 2
    laid = alpha * images[:, :3] + (1 - alpha) * ground
    torch.testing.assert_close(network(images, ground=ground), network(laid))
    torch.testing.assert_close(network(images), network(alpha * images[:, :3]))
    assert make_projected().draw_pass(2, "real", torch.Generator()) == {}


def judged(step_reference: Reference, network: ProjectedDiscriminator) -> tuple[Tensor, Tensor]:
    pipe = step_reference.pipe
    return (
        network(pipe.transform(reals(), step_reference.t_real)),
        network(pipe.transform(step_reference.fake, step_reference.t_fake)),
    )


def test_both_losses_are_means_over_all_places() -> None:
    step = make_step(discriminator=make_projected(), loss=LOSSES["hinge"])
    reference = Reference(step)
    shown, fake = judged(reference, step.discriminator)  # type: ignore[arg-type]
    result = run(step)
    torch.testing.assert_close(result.losses["loss_generator"], -fake.mean())
    expected = (1 - shown).relu().mean() + (1 + fake).relu().mean()
    torch.testing.assert_close(result.losses["loss_discriminator"], expected)


def test_the_verdict_on_an_image_is_the_mean_of_its_places() -> None:
    step = make_step(discriminator=make_projected())
    reference = Reference(step)
    shown, fake = judged(reference, step.discriminator)  # type: ignore[arg-type]
    result = run(step)
    torch.testing.assert_close(result.train_logits, shown.mean(dim=1).detach())
    torch.testing.assert_close(result.generated_logits, fake.mean(dim=1).detach())


def test_top_k_takes_images_and_not_places() -> None:
    step = make_step(discriminator=make_projected(), top_k=TopK(0.5, epoch_images=1))
    reference = Reference(step, images=10**6)
    _, fake = judged(reference, step.discriminator)  # type: ignore[arg-type]
    best = fake.mean(dim=1).topk(COUNT // 2).indices
    expected = torch.nn.functional.softplus(-fake[best]).mean()
    torch.testing.assert_close(run(step, images=10**6).losses["loss_generator"], expected)


@pytest.mark.parametrize(
    "regularizer",
    [ApproximatePenalty("r1", "real", 1.0, 1, sigma=0.1, central=True), LeCam(0.3, 0.99)],
    ids=lambda regularizer: regularizer.name,
)
def test_what_looks_at_logits_gives_one_number(regularizer: object) -> None:
    step = make_step(regularizer, discriminator=make_projected())  # type: ignore[arg-type]
    for _ in range(2):
        result = run(step)
    assert result.losses[regularizer.name].shape == ()  # type: ignore[attr-defined]
    assert result.losses[regularizer.name] > 0  # type: ignore[attr-defined]
