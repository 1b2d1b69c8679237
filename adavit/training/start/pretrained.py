"""`training.init_discriminator`: a run that starts from a pre-trained trunk."""

from typing import cast

from adavit.config.run import ResolvedConfig
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runs.trunk_file import StoredTrunk
from adavit.training.start.initialise import initialise_trunk
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
