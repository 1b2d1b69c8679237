"""`training.init_discriminator`: a run that starts from a pre-trained trunk."""

from typing import cast

from adavit.config.run import RunConfig
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runs.trunk_file import StoredTrunk, read_trunk
from adavit.training.start.initialise import initialise_trunk
from adavit.training.step.adversarial_step import AdversarialStep


def read_pretrained(config: RunConfig) -> StoredTrunk | None:
    """The trunk that a configuration names, or None.

    Raises:
        UserError: If the file cannot be used.
    """
    path = config.training.init_discriminator
    return None if path is None else read_trunk(path)


def start_from(trunk: StoredTrunk, step: AdversarialStep, config: RunConfig) -> str:
    """Fills the trunk of the run's discriminator; a resumed run has it in its checkpoint instead.

    Args:
        trunk: From `read_pretrained`.
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
