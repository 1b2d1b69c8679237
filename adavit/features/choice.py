"""`--features`: from a name to a frozen network with its weights, and to what records say of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from adavit.errors import UserError
from adavit.features.architectures import ARCHITECTURES
from adavit.features.heads import LOGIT_KERNEL
from adavit.features.network import FrozenNetwork, build
from adavit.metrics.extractors.weight_files import WeightFile, check_fit, file_digest, read_tensors
from adavit.runtime.paths import expand_home
from adavit.runtime.wording import did_you_mean

_EXPECTED = "torchvision:NAME, or torchvision:NAME:FILE with weights of your own"
_OTHERWISE = "leave --features out"


def find_weights(requested: str) -> Path:
    """The file of the weights of `--features`, downloaded where it has no file of its own and is missing.

    Args:
        requested: "torchvision:NAME" or "torchvision:NAME:FILE".

    Raises:
        UserError: If it names no network that is known, or there are no weights.
    """
    architecture, file = _split(requested)
    if file is None:
        return _published(architecture).find()
    path = expand_home(Path(file))
    if not path.is_file():
        raise UserError(
            f"--features {requested} names no file, expected the weights of torchvision's"
            f" {architecture}. Check the path, or {_OTHERWISE}."
        )
    return path


def identity(requested: str) -> str:
    """Name and digest of the network of `--features`, as records hold them: "torchvision:resnet18 0123...".

    Raises:
        UserError: As `find_weights`.
    """
    return f"torchvision:{_split(requested)[0]} {file_digest(find_weights(requested))}"


def absolute(requested: str) -> str:
    """The same with the file of its weights, if it names one, as an absolute path."""
    architecture, file = _split(requested)
    if file is None:
        return requested
    return f"torchvision:{architecture}:{expand_home(Path(file)).absolute()}"


def read_features(
    requested: str,
    *,
    side: int,
    maps: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> FrozenNetwork:
    """The network of `--features`, its weights read from a file or torchvision's download.

    Args:
        requested: "torchvision:NAME" or "torchvision:NAME:FILE".
        side: Of the images that it sees, in pixels.
        maps: How many of its maps are wanted, from the finest on; of a transformer, whose maps are all of one
            size, evenly spread over its blocks.
        mean: Colour that is 0 to it, in [0, 1].
        std: What is 1 to it.

    Raises:
        UserError: If there is no such network, its weights are absent, or its images are too small for so
            many maps.
    """
    architecture, _ = _split(requested)
    path = find_weights(requested)
    named, wanted = f"--features {requested}", f"the weights of torchvision's {architecture}"
    state = read_tensors(path, named, wanted, otherwise=_OTHERWISE)
    whole = build(architecture, side)
    found = {name: value for name, value in state.items() if not name.endswith(_COUNTER)}
    check_fit(found, _needed(whole.state_dict(), found), named, wanted, otherwise=_OTHERWISE)
    taps = [tap for tap in ARCHITECTURES[architecture].taps if side >= LOGIT_KERNEL * tap.stride]
    if len(taps) < maps:
        raise UserError(
            f"features.maps is {maps}, but of images of {side} px {architecture} has {len(taps)} maps of"
            f" at least {LOGIT_KERNEL}x{LOGIT_KERNEL} places. Give a larger features.side, or fewer maps."
        )
    if ARCHITECTURES[architecture].tokens:
        taps = taps[-1 :: -(len(taps) // maps)][:maps][::-1]
    network = FrozenNetwork(architecture, side=side, taps=taps[:maps], mean=mean, std=std)
    network.load(state)
    return network


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
