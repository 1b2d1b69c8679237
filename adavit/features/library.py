"""What a library of networks is asked for."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from torch import nn

from adavit.features.architectures import Architecture, Tap
from adavit.features.names import NamedBy
from adavit.features.weights import Weights
from adavit.metrics.extractors.weight_files import HashedFile


class Library(Protocol):
    """Networks by name, the files of their published weights, and the maps that they give.

    Attributes:
        name: As in "torchvision:resnet18".
        named_by: The setting that asks it, for messages.
    """

    name: ClassVar[str]

    @property
    def named_by(self) -> NamedBy:
        """See above."""

    def architecture(self, network: str) -> Architecture:
        """What is known of a network.

        Raises:
            UserError: If the library is not installed, or it alone can tell that there is no such network.
        """

    def find(self, network: str, *, allow_download: bool = True) -> HashedFile:
        """The file of its published weights, downloaded when missing.

        Args:
            network: Its name.
            allow_download: False looks on the disk only.

        Raises:
            UserError: If there is none to be had.
        """

    def check(self, network: str, weights: Weights) -> None:
        """Refuses weights that are not those of a network, without memory for it.

        Raises:
            UserError: As `build`, as far as it can be told before.
        """

    def build(
        self,
        network: str,
        *,
        side: int | tuple[int, int],
        taps: Sequence[Tap],
        weights: Weights | None,
    ) -> nn.Module:
        """A network from normalised images [B, 3, side, side] to a list of outputs [B, C, h, w], one for each tap.

        Args:
            network: Its name.
            side: Of the images, in pixels; a pair is height and width, which torchvision's transformers do not take.
            taps: What is looked at; a vector of the whole image is an output of one pixel.
            weights: None: random ones, from a stream of their own.

        Raises:
            UserError: If the weights are not those of the network.
        """
