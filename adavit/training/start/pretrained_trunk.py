"""`training.init_discriminator`: a discriminator that starts from a pre-trained trunk, as far as it fits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor

from adavit.config.run import ResolvedConfig
from adavit.errors import UserError
from adavit.features.choice import absolute
from adavit.features.names import NamedBy
from adavit.features.published_vit import read_published_trunk
from adavit.models.fitting import load_fitting
from adavit.models.published_vit import is_of_library
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.models.vit.encoder import VisionEncoder
from adavit.runs.trunk_file import read_trunk
from adavit.runtime.wording import listed
from adavit.training.start.differences import OF_TRUNKS, told_differences
from adavit.training.start.features import PUT_BACK, check_as_begun
from adavit.training.start.freeze import check_frozen
from adavit.training.step.adversarial_step import AdversarialStep


class Trunk(Protocol):
    """What a discriminator can start from: `adavit.runs.trunk_file.StoredTrunk`, or published weights."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the `ViTDiscriminator` whose encoder takes it whole."""
        ...

    @property
    def seen(self) -> tuple[str, ...]:
        """Networks trained on other images that it is of, as records hold them."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Its weights, by their own names."""
        ...

    def fitted_to(self, encoder: VisionEncoder) -> dict[str, Tensor]:
        """Its weights under the names of an encoder, what depends on the grid of patches made to fit."""
        ...


def find_trunk(named: str, seen: Sequence[str]) -> Trunk:
    """Reads what `training.init_discriminator` names.

    Args:
        named: Its value.
        seen: `features.seen` of the run; empty where it is new.

    Raises:
        UserError: If it cannot be had or used, or is no longer what the run began with.
    """
    if not is_of_library(named):
        return read_trunk(Path(named))
    flag = "--init-discriminator"
    otherwise = PUT_BACK if seen else f"leave {flag} out"
    trunk = read_published_trunk(named, NamedBy(f"{flag} ", otherwise))
    check_as_begun("training.init_discriminator", named, trunk.identity, seen)
    return trunk


def absolute_trunk(named: str) -> str:
    """The value of `training.init_discriminator` with its file, if it names one, as an absolute path."""
    return absolute(named) if is_of_library(named) else str(Path(named).absolute())


def start_from(trunk: Trunk, step: AdversarialStep, config: ResolvedConfig) -> str:
    """Fills the trunk of the run's discriminator; a resumed run has it in its checkpoint instead.

    Args:
        trunk: From `find_trunk`.
        step: Of the run, at image 0.
        config: Resolved; its discriminator is a vit.

    Returns:
        What was taken over, and what was not.

    Raises:
        UserError: If nothing fits, or `training.freeze_d` would keep what was drawn.
    """
    discriminator = cast(ViTDiscriminator, step.discriminator)
    settings = {
        "resolution": config.data.resolution.plain,
        "image_channels": discriminator.encoder.image_channels,
        **config.discriminator.model_dump(exclude={"kind"}),
    }
    return initialise_trunk(discriminator, trunk, settings)


def initialise_trunk(
    discriminator: ViTDiscriminator, trunk: Trunk, settings: Mapping[str, object]
) -> str:
    """Takes over the tensors that fit by name and shape; all else stays as it was drawn.

    Learned position embeddings of another grid of patches are interpolated.

    Args:
        discriminator: Its encoder is changed.
        trunk: From `find_trunk`. Not changed.
        settings: The discriminator's own, to say which differ.

    Returns:
        A line: what was taken over, what was not, and what makes another function of it.

    Raises:
        UserError: If nothing fits, or a layer that is not trained (`training.freeze_d`) has weights that do not.
    """
    encoder = discriminator.encoder
    wanted, offered = encoder.state_dict(), trunk.fitted_to(encoder)
    fitting = load_fitting(encoder, offered)
    differing = told_differences(settings, trunk.arguments, trunk.arguments)
    if not fitting:
        raise UserError(
            f"nothing of the trunk in {str(trunk.path)!r} fits this discriminator"
            f" ({'; '.join(differing) or 'other tensors'}), expected the same parts and sizes. Give"
            " those of the file with --set discriminator.KEY=VALUE, or pre-train again with these."
        )
    check_frozen(
        discriminator, {f"encoder.{name}" for name in fitting}, f"the trunk in {trunk.path}"
    )
    text = (
        f"Loaded {len(fitting)} of {len(wanted)} tensors of the discriminator's trunk from"
        f" {trunk.path}"
    )
    drawn = [name for name in wanted if name not in fitting]
    unused = [name for name in offered if name not in wanted]
    remarks = [
        *([f"drawn from the seed: {listed(drawn)}"] if drawn else []),
        *([f"not used: {listed(unused)}"] if unused else []),
        *(differing if drawn or unused else told_differences(settings, trunk.arguments, OF_TRUNKS)),
    ]
    return f"{text}; {'; '.join(remarks)}." if remarks else f"{text}."
