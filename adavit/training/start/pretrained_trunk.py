"""`training.init_discriminator`: a discriminator that starts from a pre-trained trunk, as far as it fits."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor

from adavit.config.run import ResolvedConfig
from adavit.errors import UserError
from adavit.models.fitting import load_fitting, resize_position_embeddings
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.models.vit.encoder import VisionEncoder
from adavit.runs.trunk_file import StoredTrunk
from adavit.runtime.wording import listed
from adavit.training.step.adversarial_step import AdversarialStep


def start_from(trunk: StoredTrunk, step: AdversarialStep, config: ResolvedConfig) -> str:
    """Fills the trunk of the run's discriminator; a resumed run has it in its checkpoint instead.

    Args:
        trunk: From `adavit.runs.trunk_file.read_trunk`.
        step: Of the run, at image 0.
        config: Resolved; its discriminator is a vit.

    Returns:
        What was taken over, and what was not.

    Raises:
        UserError: If nothing fits.
    """
    discriminator = cast(ViTDiscriminator, step.discriminator)
    settings = {
        "resolution": config.data.resolution,
        "image_channels": discriminator.encoder.image_channels,
        **config.discriminator.model_dump(exclude={"kind"}),
    }
    return initialise_trunk(discriminator, trunk, settings)


def initialise_trunk(
    discriminator: ViTDiscriminator, stored: StoredTrunk, settings: Mapping[str, object]
) -> str:
    """Takes over the tensors that fit by name and shape; all else stays as it was drawn.

    Learned position embeddings of another grid of patches are interpolated.

    Args:
        discriminator: Its encoder is changed.
        stored: From `read_trunk`. Not changed.
        settings: The discriminator's own, to say which differ.

    Returns:
        A line: what was taken over, and what was not.

    Raises:
        UserError: If nothing fits.
    """
    encoder = discriminator.encoder
    wanted, offered = encoder.state_dict(), _interpolated(stored, encoder)
    fitting = load_fitting(encoder, offered)
    differing = [
        f"{name} is {settings[name]!r}, there {value!r}"
        for name, value in stored.arguments.items()
        if name in settings and settings[name] != value
    ]
    if not fitting:
        raise UserError(
            f"nothing of the trunk in {str(stored.path)!r} fits this discriminator"
            f" ({'; '.join(differing) or 'other tensors'}), expected the same parts and sizes. Give"
            " those of the file with --set discriminator.KEY=VALUE, or pre-train again with these."
        )
    text = (
        f"Loaded {len(fitting)} of {len(wanted)} tensors of the discriminator's trunk from"
        f" {stored.path}"
    )
    drawn = [name for name in wanted if name not in fitting]
    unused = [name for name in offered if name not in wanted]
    remarks = [
        *([f"drawn from the seed: {listed(drawn)}"] if drawn else []),
        *([f"not used: {listed(unused)}"] if unused else []),
        *(differing if drawn or unused else []),
    ]
    return f"{text}; {'; '.join(remarks)}." if remarks else f"{text}."


def _interpolated(stored: StoredTrunk, encoder: VisionEncoder) -> dict[str, Tensor]:
    """The stored weights with learned positions for the grid of `encoder`, where it has such too."""
    layout = stored.encoder.layout
    state = stored.state()
    if layout.class_tokens != encoder.layout.class_tokens:
        return state  # a table with an entry more or less fits at no grid
    for prefix, module in encoder.named_modules():
        names = [f"{prefix}.{name}" for name, _ in module.named_parameters()]
        if hasattr(module, "resized") and all(name in state for name in names):
            tables = {name.removeprefix(f"{prefix}."): state[name] for name in names}
            resized = resize_position_embeddings(tables, module, grid=(layout.rows, layout.columns))
            state |= {f"{prefix}.{name}": table for name, table in resized.items()}
    return state
