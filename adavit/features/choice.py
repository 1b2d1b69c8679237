"""`--features`: from a name to a frozen network with its weights, and to what records say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adavit.errors import UserError
from adavit.features.architectures import ARCHITECTURES, Architecture, Tap
from adavit.features.heads import LOGIT_KERNEL
from adavit.features.library import Library
from adavit.features.network import FrozenNetwork
from adavit.features.timm_networks import Timm
from adavit.features.torchvision_networks import Torchvision
from adavit.features.weights import OTHERWISE, Weights
from adavit.metrics.extractors.weight_files import HashedFile
from adavit.runtime.paths import expand_home
from adavit.runtime.wording import did_you_mean

LIBRARIES: dict[str, Library] = {library.name: library for library in (Torchvision(), Timm())}


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
            taps=self._outputs(side, maps, class_token=class_token),
            mean=known.mean if mean is None else mean,
            std=known.std if std is None else std,
            library=self.library,
            weights=self._weights(),
        )

    def check(self) -> None:
        """Reads the file, and refuses what is not the weights of the network.

        Raises:
            UserError: If the file holds anything else.
        """
        self.library.check(self.name, self._weights())

    def _weights(self) -> Weights:
        named, wanted = f"--features {self.requested}", _weights_of(self.library, self.name)
        return Weights.read(self.file, named, wanted)

    def unread(self, *, side: int, maps: int, class_token: bool) -> FrozenNetwork:
        """The same without reading the file: random weights, or on torch's device "meta" none.

        Args:
            side: As for `build`.
            maps: Likewise.
            class_token: Likewise.

        Raises:
            UserError: If its images do not suit it.
        """
        taps = self._outputs(side, maps, class_token=class_token)
        return FrozenNetwork(self.name, side=side, taps=taps, library=self.library)

    def _outputs(self, side: int, maps: int, *, class_token: bool) -> tuple[Tap, ...]:
        token = self.architecture.class_token
        return (*self.taps(side, maps), *([token] if class_token and token is not None else []))

    def taps(self, side: int, maps: int) -> tuple[Tap, ...]:
        """`maps` of its maps, for images of `side` pixels.

        Raises:
            UserError: If its images do not suit it, or are too small for so many maps.
        """
        known = self.architecture
        if known.patch is not None and side % known.patch:
            multiple = known.patch * max(LOGIT_KERNEL, round(side / known.patch))
            raise UserError(
                f"features.side is {side}, but must be a multiple of the {known.patch} px of"
                f" {self.name}'s patches. Use {multiple}, or leave it out."
            )
        taps = known.maps(side, smallest=LOGIT_KERNEL)
        if len(taps) < maps:
            raise UserError(
                f"features.maps is {maps}, but of images of {side} px {self.name} has {len(taps)} maps"
                f" of at least {LOGIT_KERNEL}x{LOGIT_KERNEL} places. Give a larger features.side, or"
                " fewer maps."
            )
        return known.chosen(taps, maps)


def find_network(requested: str) -> PretrainedNetwork:
    """The network of `--features`, its weights downloaded where it has no file of its own and they are missing.

    Args:
        requested: "LIBRARY:NAME" or "LIBRARY:NAME:FILE".

    Raises:
        UserError: If it names no network that is known, its library is not installed, or there are no weights.
    """
    library, name, file = _split(requested)
    library.architecture(name)  # whether there is such a network
    if file is None:
        return PretrainedNetwork(requested, library, name, library.find(name))
    path = expand_home(Path(file))
    if not path.is_file():
        raise UserError(
            f"--features {requested} names no file, expected {_weights_of(library, name)}. Check the"
            f" path, or {OTHERWISE}."
        )
    return PretrainedNetwork(requested, library, name, HashedFile(path))


def absolute(requested: str) -> str:
    """The same with the file of its weights, if it names one, as an absolute path."""
    library, name, file = _split(requested)
    if file is None:
        return requested
    return f"{library.name}:{name}:{expand_home(Path(file)).absolute()}"


def _weights_of(library: Library, name: str) -> str:
    return f"the weights of {library.name}'s {name}"


def _split(requested: str) -> tuple[Library, str, str | None]:
    library, _, rest = requested.partition(":")
    name, _, file = rest.partition(":")
    if library not in LIBRARIES or not name:
        raise UserError(
            f"--features is {requested!r}, expected torchvision:NAME or timm:NAME, and :FILE behind it"
            f" with weights of your own.{_hint(requested)} torchvision's NAME is one of:"
            f" {', '.join(ARCHITECTURES)}."
        )
    return LIBRARIES[library], name, file or None


def _hint(requested: str) -> str:
    if requested and expand_home(Path(requested)).is_file():
        return (
            f" A file does not say of which network it is: name it as torchvision:NAME:{requested}."
        )
    for word in requested.lower().split(":"):
        near = did_you_mean(word, ARCHITECTURES)  # without the library, which would make all alike
        if near:
            return near.replace("mean ", "mean torchvision:")
    return ""
