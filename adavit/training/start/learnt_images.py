"""The images that a pre-trained trunk has learnt: what it brings along where they are not those of the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import ValidationError

from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import load_images
from adavit.errors import UserError
from adavit.runs.reading import mapping, text
from adavit.runs.shared_names import HERE
from adavit.runs.trunk_file import StoredTrunk
from adavit.training.start.workload import image_arguments

READ_AS = ("resolution", "fit", "channels", "frames", "scale_16bit")
"""Settings of the section `data` that make other pixels of the same files."""


@dataclass(frozen=True)
class LearntImages:
    """Those that a file of `adavit pretrain` was trained on.

    Attributes:
        identity: Name and fingerprint, as records hold what a discriminator has seen: "adavit:flowers 0123...".
        fingerprint: Of their pixels.
        read_as: Settings of the section `data` with which they were read, as the file says.
    """

    identity: str
    fingerprint: str
    read_as: Mapping[str, Any] = field(hash=False)

    @classmethod
    def of(cls, trunk: object) -> "LearntImages | None":
        """Those of a trunk; None of one that `adavit pretrain` has not made."""
        if not isinstance(trunk, StoredTrunk):
            return None
        data, fingerprint = mapping(trunk.config.get("data")), trunk.data_fingerprint
        name = "_".join(text(data.get("source")).removeprefix(HERE).split()) or "images"
        read_as = {key: data[key] for key in READ_AS if key in data}
        return cls(f"adavit:{name} {fingerprint}", fingerprint, read_as)

    def are_those_of(
        self, config: RunConfig | ResolvedConfig, fingerprint: str, device: torch.device
    ) -> bool:
        """Whether they are the images of a run, at whatever resolution and colours either has read them.

        Args:
            config: Of the run.
            fingerprint: Of its images.
            device: Where it trains.
        """
        if fingerprint == self.fingerprint:
            return True
        values = config.as_dict()
        values["data"] = values["data"] | self.read_as
        try:
            other = RunConfig.model_validate({"data": values["data"]})
            if other.as_dict()["data"] == config.as_dict()["data"]:
                return False
            images = load_images(other.data.source, **image_arguments(other, device))
        except (ValidationError, UserError):  # they cannot be read so: they are others
            return False
        return images.fingerprint == self.fingerprint
