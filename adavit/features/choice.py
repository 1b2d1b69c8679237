"""From a name to a frozen network with its weights, and to what records say of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adavit.errors import UserError
from adavit.features.architectures import Architecture, Tap
from adavit.features.library import Library
from adavit.features.names import FEATURES, NamedBy, parted
from adavit.features.network import FrozenNetwork
from adavit.features.timm_networks import Timm
from adavit.features.torchvision_networks import Torchvision
from adavit.features.weights import Weights
from adavit.metrics.extractors.weight_files import HashedFile
from adavit.runtime.paths import expand_home

LIBRARIES: dict[str, Callable[[NamedBy], Library]] = {
    library.name: library for library in (Torchvision, Timm)
}


@dataclass(frozen=True)
class PretrainedNetwork:
    """A network trained on other images: which one, and the file of its weights.

    Attributes:
        requested: What it was asked for as.
        library: Where it is from.
        name: Its name there.
        file: Of its weights; it is there.
    """

    requested: str
    library: Library
    name: str
    file: HashedFile

    @property
    def identity(self) -> str:
        """Name and digest, as records hold them: "torchvision:resnet18 0123..."."""
        return f"{self.library.name}:{self.name} {self.file.digest}"

    @cached_property
    def architecture(self) -> Architecture:
        """What is known of it before it is built."""
        return self.library.architecture(self.name)

    @cached_property
    def weights(self) -> Weights:
        """Those of the file, which is read once: let go of the whole when the network is built.

        Raises:
            UserError: If it holds anything but tensors by name.
        """
        wanted = _weights_of(self.library, self.name)
        return Weights.read(self.file, self.requested, wanted, self.library.named_by)

    def build(
        self,
        *,
        side: int,
        maps: int,
        class_token: bool,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
    ) -> FrozenNetwork:
        """The network with the weights of the file.

        Args:
            side: Of the images that it sees, in pixels.
            maps: How many of its maps are wanted, from the finest on; of a transformer, whose maps are all of
                one size, evenly spread over its blocks.
            class_token: Whether its class token is wanted too, where it has one.
            mean: Colour that is 0 to it, in [0, 1]. None: as it was trained.
            std: What is 1 to it. None: as it was trained.

        Raises:
            UserError: If the file does not hold its weights, or its images do not suit it.
        """
        known = self.architecture
        return FrozenNetwork(
            self.name,
            side=side,
            taps=self.outputs(side, maps, class_token=class_token),
            mean=known.mean if mean is None else mean,
            std=known.std if std is None else std,
            library=self.library,
            weights=self.weights,
        )

    def check(self) -> None:
        """Reads the file, and refuses what is not the weights of the network.

        Raises:
            UserError: If the file holds anything else.
        """
        self.library.check(self.name, self.weights)

    def unread(self, *, side: int, maps: int, class_token: bool) -> FrozenNetwork:
        """The same without reading the file: random weights, or on torch's device "meta" none.

        Args:
            side: As for `build`.
            maps: Likewise.
            class_token: Likewise.

        Raises:
            UserError: If its images do not suit it.
        """
        taps = self.outputs(side, maps, class_token=class_token)
        return FrozenNetwork(self.name, side=side, taps=taps, library=self.library)

    def outputs(self, side: int, maps: int, *, class_token: bool) -> tuple[Tap, ...]:
        """What a critic looks at: `taps`, and behind them the class token.

        Args:
            side: As for `build`.
            maps: Likewise.
            class_token: Likewise.

        Raises:
            UserError: As `taps`.
        """
        token = self.architecture.class_token
        return (*self.taps(side, maps), *([token] if class_token and token is not None else []))

    def taps(self, side: int, maps: int) -> tuple[Tap, ...]:
        """`maps` of its maps, for images of `side` pixels.

        Raises:
            UserError: If its images do not suit it, or are too small for so many maps.
        """
        try:
            return self.architecture.wanted(self.name, side, maps)
        except ValueError as error:
            raise UserError(str(error)) from None


def find_network(
    requested: str, named_by: NamedBy = FEATURES, *, allow_download: bool = True
) -> PretrainedNetwork:
    """A frozen network, its weights downloaded where it has no file of its own and they are missing.

    Args:
        requested: As `adavit.features.names.check_network_name` lets through.
        named_by: The setting that asks for it.
        allow_download: False looks on the disk only.

    Raises:
        UserError: If its library does not know it or is not installed, or there are no weights.
    """
    prefix, name, file = parted(requested)
    library = LIBRARIES[prefix](named_by)
    library.architecture(name)  # whether there is such a network
    if not file:
        found = library.find(name, allow_download=allow_download)
        return PretrainedNetwork(requested, library, name, found)
    path = expand_home(Path(file))
    if not path.is_file():
        raise UserError(
            f"{named_by.setting}{requested} names no file, expected {_weights_of(library, name)}."
            f" Check the path, or {named_by.otherwise}."
        )
    return PretrainedNetwork(requested, library, name, HashedFile(path))


def absolute(requested: str) -> str:
    """The same with the file of its weights, if it names one, as an absolute path."""
    library, name, file = parted(requested)
    if not file:
        return requested
    return f"{library}:{name}:{expand_home(Path(file)).absolute()}"


def _weights_of(library: Library, name: str) -> str:
    return f"the weights of {library.name}'s {name}"
