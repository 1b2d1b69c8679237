"""The images that a pre-trained trunk has learnt: what it brings along where they are not those of the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import ImageSet, Split, load_images, split_images
from adavit.errors import UserError
from adavit.runs.reading import mapping, text
from adavit.runs.shared_names import HERE, TRUNK
from adavit.runs.trunk_file import StoredTrunk
from adavit.runtime.wording import counted
from adavit.training.start.workload import Workload, image_arguments

READ_AS = ("resolution", "fit", "channels", "frames", "scale_16bit")
"""Settings of the section `data` that make other pixels of the same files."""

DRAWN_BY = {"data": ("subset", "val_fraction"), "run": ("seed",)}
"""Settings, by section, that choose the images that are trained on."""


@dataclass(frozen=True)
class LearntImages:
    """Those that a file of `adavit pretrain` was trained on.

    Attributes:
        identity: Name and fingerprint, as records hold what a discriminator has seen: "adavit:flowers 0123...".
        fingerprint: Of the pixels of the set that they were drawn from.
        read_as: Settings of the section `data` with which that was read, as the file says.
        drawn_by: Those of `DRAWN_BY`, as the file says.
    """

    identity: str
    fingerprint: str
    read_as: Mapping[str, Any] = field(hash=False)
    drawn_by: Mapping[str, Mapping[str, Any]] = field(hash=False)

    @classmethod
    def of(cls, trunk: object) -> "LearntImages | None":
        """Those of a trunk; None of one that `adavit pretrain` has not made."""
        if not isinstance(trunk, StoredTrunk):
            return None
        data, fingerprint = mapping(trunk.config.get("data")), trunk.data_fingerprint
        name = "_".join(text(data.get("source")).removeprefix(HERE).split()) or "images"
        read_as = {key: data[key] for key in READ_AS if key in data}
        settings = {section: mapping(trunk.config.get(section)) for section in DRAWN_BY}
        drawn_by = {
            section: {key: settings[section][key] for key in keys if key in settings[section]}
            for section, keys in DRAWN_BY.items()
        }
        return cls(f"{TRUNK}{name} {fingerprint}", fingerprint, read_as, drawn_by)

    def are_those_of(
        self, config: RunConfig | ResolvedConfig, images: ImageSet, device: torch.device
    ) -> bool:
        """Whether a run has all of them, at whatever resolution and colours either has read them.

        Args:
            config: Of the run.
            images: Of its data, those that it leaves out too.
            device: Where it trains.
        """
        try:
            own = _split(config, images)
            all_are_there = np.isin(self._drawn(images), np.concatenate([own.train, own.heldout]))
            return bool(all_are_there.all()) and self._are_of(config, images, device)
        except (ValidationError, UserError):  # they cannot be drawn or read so: they are others
            return False

    def heldout_note(self, workload: Workload) -> str | None:
        """What to say where a run holds out some of them; None where it does not.

        Args:
            workload: Of a run whose images they are.
        """
        heldout = workload.split.heldout
        known = int(np.isin(heldout, self._drawn(workload.image_set)).sum())
        if not known:
            return None
        images = counted(len(heldout), "held-out image", "held-out images")
        return (
            f"The trunk has learnt {known:,} of {images}: r_v and the logits of held-out images are not of unseen ones."
            " The --seed, --subset and --val-fraction of its pre-training hold out the same images."
        )

    def _drawn(self, images: ImageSet) -> np.ndarray:
        """Indices of those that were learnt."""
        return _split(RunConfig.model_validate(self.drawn_by), images).train

    def _are_of(
        self, config: RunConfig | ResolvedConfig, images: ImageSet, device: torch.device
    ) -> bool:
        """Whether they were drawn from the data of a run."""
        if images.fingerprint == self.fingerprint:
            return True
        values = config.as_dict()
        other = RunConfig.model_validate({"data": values["data"] | self.read_as})
        if other.as_dict()["data"] == values["data"]:
            return False
        there = load_images(other.data.source, **image_arguments(other, device))
        # Of the frames of a file there may be more: then other numbers are drawn than here.
        return there.fingerprint == self.fingerprint and len(there) == len(images)


def _split(config: RunConfig | ResolvedConfig, images: ImageSet) -> Split:
    data = config.data
    return split_images(
        len(images),
        subset=data.subset,
        heldout_fraction=data.val_fraction,
        seed=config.run.seed,
    )
