"""What a run says at its reports beside the figures: alarms, and that other programs keep the cores busy."""

from torch import Tensor, nn

from adavit.augment import OverfittingStatistics, Probability
from adavit.runtime.core_share import CoreShare
from adavit.watch.alarms import training_alarms


class Remarks:
    """Finds what is to be said; each thing is said once, as at every report it would be noise.

    Args:
        discriminator: Looked at by the alarms.
        watched: Training images [N, C, H, W] that it is shown.
        training_images: How many there are in all.
        probability: Control of p, which has alarms of its own.
        cores: What the steps had of the cores.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        watched: Tensor,
        training_images: int,
        probability: Probability,
        cores: CoreShare,
    ) -> None:
        self._discriminator, self._watched = discriminator, watched
        self._training_images = training_images
        self._probability, self._cores = probability, cores
        self._said: set[str] = set()

    def at_report(self, seen: OverfittingStatistics) -> list[str]:
        """Lines for people.

        Args:
            seen: Of the steps since the last report.
        """
        values = seen.values()
        alarms = training_alarms(
            self._discriminator,
            self._watched,
            r_relative=values["r_relative"],
            # An image that has come again, augmented otherwise, is not another one.
            real=min(int(values["train_count"]), self._training_images),
            generated=int(values["generated_count"]),
        )
        found = self._probability.alarms() | {alarm.name: alarm.message for alarm in alarms}
        new = [f"Warning: {found[name]}" for name in found if name not in self._said]
        self._said |= found.keys()
        busy = self._cores.note()
        return [*([] if busy is None else [busy]), *new]
