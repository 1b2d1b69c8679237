"""The images that the steps of a run see: batches of training images, and of those held out."""

from functools import partial

from torch import Tensor

from adavit.data import BatchSampler
from adavit.training.start.heldout import can_be_judged
from adavit.training.start.resident import Residence
from adavit.training.start.workload import Workload
from adavit.watch.alarms import WATCHED_IMAGES


class RunBatches:
    """Draws them; which images come is a function of the seed and of the images seen.

    Attributes:
        watched: Training images [N, C, H, W] that alarms look at.

    Args:
        workload: Of a run whose networks are on the device.
    """

    def __init__(self, workload: Workload) -> None:
        batches = partial(
            BatchSampler,
            workload.image_set,
            seed=workload.config.run.seed,
            device=workload.device,
            # A set may have classes that the networks are not conditioned on.
            labelled=workload.num_classes > 0,
            resident=Residence.of(workload).on_device,
        )
        split = workload.split
        self._batch = workload.config.training.batch
        self._train = batches(split.train, purpose="data", mirror=workload.config.data.mirror)
        judged = can_be_judged(workload.config, split)
        self._heldout = batches(split.heldout, purpose="held-out") if judged else None
        self.adopt(workload)
        self.watched, _ = self._train.batch(0, WATCHED_IMAGES)

    def adopt(self, workload: Workload) -> None:
        """Takes up the microbatch of other settings for the same data."""
        at_a_time = workload.config.training.images_at_a_time
        # Whole groups of the standard deviation, as of training images.
        size = min(at_a_time, len(workload.split.heldout))
        self._heldout_size = size - size % workload.config.images_of_a_deviation

    def training(self, images: int, own: range) -> tuple[Tensor, Tensor | None]:
        """Images and labels of the slices of this process in the batch after `images` real images."""
        return self._train.batch(images + own.start, len(own))

    def heldout(self, images: int, interval: int) -> tuple[Tensor, Tensor | None] | None:
        """Held-out images and labels, once in `interval` batches; None at the others, and where none can be judged."""
        step = images // self._batch
        if self._heldout is None or step % interval != interval - 1:
            return None
        # Within one epoch, so that no pass holds an image twice; in each other images are left over.
        size, held = self._heldout_size, len(self._heldout)
        epoch, number = divmod(step // interval, held // size)
        return self._heldout.batch(epoch * held + number * size, size)
