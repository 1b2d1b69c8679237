"""Whether the images of a run lie in the memory of its accelerator, or are read from the disk batch by batch."""

from dataclasses import dataclass
from typing import Self

from adavit.augment.devices import is_accelerator
from adavit.runtime.memory import free_bytes, total_bytes
from adavit.runtime.wording import size
from adavit.training.start.footprint import expected_bytes, most_bytes
from adavit.training.start.workload import Workload

LARGEST_PART = 0.25
"""Of an accelerator's memory that images may take: evaluations and other programs need some beside the steps."""


def image_bytes(workload: Workload) -> int:
    """Bytes of the images that are trained on and held out.

    Args:
        workload: Of the run.
    """
    split, stored = workload.split, workload.image_set.images
    return (len(split.train) + len(split.heldout)) * stored[0].nbytes


def told_of_absent(workload: Workload, before: int) -> str:
    """How large a device must be for the images to lie on it, where it is not here; a clause for people.

    Args:
        workload: Of a run on an accelerator that need not be there.
        before: Bytes that are taken of it before the first step.
    """
    images = image_bytes(workload)
    least = before + expected_bytes(workload.config, workload.device) + images
    whole = max(least, int(images / LARGEST_PART))
    return (
        f"{size(images)}, on a device of {size(whole)} or more, else read from the disk batch by"
        " batch"
    )


@dataclass(frozen=True)
class Residence:
    """Where the images of a run are.

    Attributes:
        images: Bytes of those trained on and held out.
        room: Bytes that images may take on the device; None where they are not copied, as on a CPU.
    """

    images: int
    room: int | None

    @classmethod
    def of(cls, workload: Workload) -> Self:
        """As it is now that the networks are made and nothing else.

        Args:
            workload: Of a run whose networks are on the device.
        """
        images = image_bytes(workload)
        if not is_accelerator(workload.device):
            return cls(images, None)
        free, total = free_bytes(workload.device), total_bytes(workload.device)
        assert free is not None  # an accelerator says it
        # Where there is room beside any step, what this one takes is not counted: that lasts a second or more.
        beside_steps = free - most_bytes(workload.config)
        if images > beside_steps:
            beside_steps = free - expected_bytes(workload.config, workload.device)
        return cls(images, max(0, min(int(LARGEST_PART * total), beside_steps)))

    @property
    def on_device(self) -> bool:
        """Whether they are copied there, all of them or none."""
        return self.room is not None and self.images <= self.room

    def told(self) -> str:
        """A clause for people; empty where it goes without saying."""
        if self.room is None:
            return ""
        if self.on_device:
            return f"{size(self.images)} on the device, beside that memory"
        return (
            f"{size(self.images)}, read from the disk batch by batch: {size(self.room)} of the device may be"
            f" theirs (at most {LARGEST_PART:.0%} of it, and what steps leave)"
        )
