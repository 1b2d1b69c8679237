"""`--features`: from a name to a frozen network with its weights, and to what records say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from adavit.errors import UserError
from adavit.features.architectures import ARCHITECTURES, Tap
from adavit.features.heads import LOGIT_KERNEL
from adavit.features.network import FrozenNetwork
from adavit.metrics.extractors.weight_files import FoundFile, WeightFile, check_fit, read_tensors
from adavit.runtime.paths import expand_home
from adavit.runtime.wording import did_you_mean

_EXPECTED = "torchvision:NAME, or torchvision:NAME:FILE with weights of your own"
_OTHERWISE = "leave --features out"


@dataclass(frozen=True)
class PretrainedNetwork:
    """A network trained on other images: which one, and the file of its weights.

    Attributes:
        requested: What it was asked for as.
        architecture: One of `ARCHITECTURES`.
        file: Of its weights; it is there.
    """

    requested: str
    architecture: str
    file: FoundFile

    @property
    def identity(self) -> str:
        """Name and digest, as records hold them: "torchvision:resnet18 0123..."."""
        return f"torchvision:{self.architecture} {self.file.digest}"

    def build(
        self, *, side: int, maps: int, mean: Sequence[float], std: Sequence[float]
    ) -> FrozenNetwork:
        """The network with the weights of the file.

        Args:
            side: Of the images that it sees, in pixels.
            maps: How many of its maps are wanted, from the finest on; of a transformer, whose maps are all of
                one size, evenly spread over its blocks.
            mean: Colour that is 0 to it, in [0, 1].
            std: What is 1 to it.

        Raises:
            UserError: If the file does not hold its weights, or its images are too small for so many maps.
        """
        taps = self._taps(side, maps)
        named = f"--features {self.requested}"
        wanted = f"the weights of torchvision's {self.architecture}"
        state = read_tensors(self.file.path, named, wanted, otherwise=_OTHERWISE)
        network = FrozenNetwork(self.architecture, side=side, taps=taps, mean=mean, std=std)
        found = {name: value for name, value in state.items() if not name.endswith(_COUNTER)}
        check_fit(found, _needed(network.expected, found), named, wanted, otherwise=_OTHERWISE)
        network.load(state)
        return network

    def _taps(self, side: int, maps: int) -> Sequence[Tap]:
        architecture = ARCHITECTURES[self.architecture]
        taps = [tap for tap in architecture.taps if side >= LOGIT_KERNEL * tap.stride]
        if len(taps) < maps:
            raise UserError(
                f"features.maps is {maps}, but of images of {side} px {self.architecture} has"
                f" {len(taps)} maps of at least {LOGIT_KERNEL}x{LOGIT_KERNEL} places. Give a larger"
                " features.side, or fewer maps."
            )
        if architecture.tokens:
            taps = taps[-1 :: -(len(taps) // maps)][:maps][::-1]
        return taps[:maps]


def find_network(requested: str) -> PretrainedNetwork:
    """The network of `--features`, its weights downloaded where it has no file of its own and they are missing.

    Args:
        requested: "torchvision:NAME" or "torchvision:NAME:FILE".

    Raises:
        UserError: If it names no network that is known, or there are no weights.
    """
    architecture, file = _split(requested)
    if file is None:
        return PretrainedNetwork(requested, architecture, _published(architecture).find())
    path = expand_home(Path(file))
    if not path.is_file():
        raise UserError(
            f"--features {requested} names no file, expected the weights of torchvision's"
            f" {architecture}. Check the path, or {_OTHERWISE}."
        )
    return PretrainedNetwork(requested, architecture, FoundFile(path))


def absolute(requested: str) -> str:
    """The same with the file of its weights, if it names one, as an absolute path."""
    architecture, file = _split(requested)
    if file is None:
        return requested
    return f"torchvision:{architecture}:{expand_home(Path(file)).absolute()}"


_COUNTER = "num_batches_tracked"


def _split(requested: str) -> tuple[str, str | None]:
    library, _, rest = requested.partition(":")
    architecture, _, file = rest.partition(":")
    known = [f"torchvision:{name}" for name in ARCHITECTURES]
    if library != "torchvision" or architecture not in ARCHITECTURES:
        raise UserError(
            f"--features is {requested!r}, expected {_EXPECTED}, where NAME is one of:"
            f" {', '.join(ARCHITECTURES)}.{did_you_mean(f'torchvision:{architecture or library}', known)}"
        )
    return architecture, file or None


def _published(architecture: str) -> WeightFile:
    from torchvision.models import get_model_weights

    url: str = get_model_weights(architecture)["DEFAULT"].url
    return WeightFile(
        network=f"torchvision {architecture}",
        url=url,
        digest_prefix=url.rsplit("-", 1)[1].partition(".")[0],
        named_as=f"--features torchvision:{architecture}:FILE",
        otherwise=_OTHERWISE,
    )


def _needed(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a file must hold: all but counters, and the position embeddings of whatever side it has."""
    embedding = "encoder.pos_embedding"
    needed = {name: value for name, value in own.items() if not name.endswith(_COUNTER)}
    if embedding in needed and embedding in found:
        needed[embedding] = found[embedding]
    return needed
