"""The networks of a run as its checkpoint has them: the discriminator, and the generator it was trained against."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from adavit.build.augmentation import build_probability
from adavit.build.networks import build_networks
from adavit.config.run import ResolvedConfig
from adavit.errors import UserError, first_line
from adavit.features.critic import FeatureCritic
from adavit.features.names import NamedBy
from adavit.models import Generator
from adavit.runs.checkpoint import DoesNotFit, restore
from adavit.runs.generations import LoadedCheckpoint, checkpoint_of
from adavit.training.passes.augmented_discriminator import per_image
from adavit.training.progress import Progress
from adavit.training.start.features import PUT_BACK, build_critic, find_features

_AS_IT_WAS = NamedBy("features.network ", PUT_BACK)


@dataclass(frozen=True)
class TrainedNetworks:
    """A run as its checkpoint has it.

    Attributes:
        name: As the user named it.
        folder: The run directory, or the folder of the checkpoint.
        config: The complete settings of the run.
        discriminator: In evaluation mode, without gradients of its weights.
        critic: The critic on frozen features beside it, likewise; None without one, and where its network
            cannot be had.
        generator: The average of the same moment, likewise.
        images: Real images seen.
        data_fingerprint: Digest of the images it was trained on.
        warnings: That it is not the newest checkpoint, what the control of p has to say, and why there is
            no critic where the run has one.
    """

    name: str
    folder: Path
    config: ResolvedConfig
    discriminator: nn.Module
    critic: FeatureCritic | None
    generator: Generator
    images: int
    data_fingerprint: str
    warnings: list[str]


def read_trained_networks(source: str) -> TrainedNetworks:
    """Reads a run's checkpoint; nothing in it is executed.

    Args:
        source: A run directory, or a checkpoint.pt by itself.

    Raises:
        UserError: If there is none, or it is damaged or does not fit.
    """
    loaded = _checkpoint(Path(source))
    path, state = loaded.path, loaded.state
    with _explained(path):
        config = ResolvedConfig.model_validate(state.get("config"))
        shape = _shape(state)
        critic, left_out = _critic(config, shape["num_classes"])
        alone = config.discriminator.kind == "projected"
        if alone and critic is None:
            raise UserError(left_out)
        generator, discriminator = build_networks(config, **shape, critic=critic)
        probability = build_probability(
            config.augment, threshold_at_zero=config.training.has_threshold
        )
        progress = Progress()
        restore({"discriminator": discriminator, "average": generator}, state)
        restore({} if critic is None or alone else {"features": critic}, state)
        restore({"probability": probability, "progress": progress}, state)
    return TrainedNetworks(
        name=source,
        folder=path.parent,
        config=config,
        discriminator=(_PerImage(discriminator) if alone else discriminator)
        .eval()
        .requires_grad_(False),
        critic=None if critic is None else critic.eval().requires_grad_(False),
        generator=generator.eval().requires_grad_(False),
        images=progress.images,
        data_fingerprint=str(state.get("fingerprint")),
        warnings=[*filter(None, [loaded.warning, left_out]), *probability.alarms().values()],
    )


def read_run_discriminator(source: str) -> nn.Module:
    """Reads the discriminator of a run's checkpoint alone, one that is a network by itself.

    Args:
        source: As for `read_trained_networks`.

    Returns:
        In evaluation mode, without gradients of its weights.

    Raises:
        UserError: As `read_trained_networks`, or if it is nothing but heads on a frozen network.
    """
    loaded = _checkpoint(Path(source))
    with _explained(loaded.path):
        config = ResolvedConfig.model_validate(loaded.state.get("config"))
        if config.discriminator.kind == "projected":
            raise UserError(
                f"the discriminator of {source!r} is heads on a frozen network, expected one that sees images by"
                " itself. Name a network."
            )
        _, discriminator = build_networks(config, **_shape(loaded.state), critic=None)
        restore({"discriminator": discriminator}, loaded.state)
    return discriminator.eval().requires_grad_(False)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Tells the user of a checkpoint whose content does not fit."""
    try:
        yield
    except (DoesNotFit, ValidationError) as error:
        raise UserError(
            f"checkpoint {str(path)!r} cannot be used ({first_line(error)}), expected"
            " the networks and settings that this version of adavit train writes. Use the version"
            " that wrote it, or start a new run."
        ) from None


class _PerImage(nn.Module):
    """A discriminator of places as one of images: the mean of their logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, labels: Tensor | None) -> Tensor:
        return per_image(self.network(images, labels))


def _critic(config: ResolvedConfig, num_classes: int) -> tuple[FeatureCritic | None, str]:
    """The critic on frozen features, untrained, and why there is none although the run has one."""
    try:
        found = find_features(config.features, named_by=_AS_IT_WAS)
        if found is None:
            return None, ""
        seed = config.run.seed
        return build_critic(
            config.features, found, num_classes=num_classes, seed=seed, san=config.training.san
        ), ""
    except UserError as error:  # the discriminator can be looked at without
        return None, f"left out is what the heads on frozen features say: {error}"


def _checkpoint(path: Path) -> LoadedCheckpoint:
    if path.suffix == ".safetensors":
        raise UserError(
            f"{str(path)!r} holds a generator, expected a run directory or its checkpoint.pt, which"
            " hold the discriminator. Name one of these."
        )
    return checkpoint_of(path)


def _shape(state: dict[str, Any]) -> dict[str, int]:
    """Sizes that follow from the data, read off the weights, as the data may not be at hand."""
    average = state.get("average")
    if not isinstance(average, dict):
        raise DoesNotFit("it holds no state of average")
    colours = [value for name, value in average.items() if name.endswith("to_image.bias")]
    labels = [value for name, value in average.items() if name.endswith("embedding.weight")]
    if not colours:
        raise DoesNotFit("it holds no generator")
    return {
        "image_channels": len(colours[0]),
        "num_classes": len(labels[0]) if labels else 0,
    }
