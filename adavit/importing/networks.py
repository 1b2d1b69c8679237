"""The networks of a pickle as ours: which are in it, which have a counterpart, and why the others have none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from adavit.data.files.members import printable
from adavit.errors import UserError
from adavit.importing.discriminator_names import convert_discriminator, is_discriminator
from adavit.importing.foreign import Converted, ForeignNetwork, NoCounterpart
from adavit.importing.generator_names import convert_generator, is_stylegan3
from adavit.importing.reader import ReadPickle, read_pickle
from adavit.importing.records import UnreadablePickle, described, entries_of
from adavit.importing.tensorflow_arrays import tensorflow_network
from adavit.importing.tensors import number_of
from adavit.importing.torch_modules import torch_network
from adavit.models import Generator, ResNetDiscriminator
from adavit.runs.metadata import MOST_COUNTED

Part = Literal["generator", "discriminator"]
"""Of what a pickle holds."""

SUFFIXES = (".pkl", ".pickle")
"""Of the names of network pickles."""

_IN_ORDER = ("G", "D", "G_ema")


@dataclass(frozen=True)
class ImportedNetworks:
    """The networks of a pickle that have a counterpart.

    Attributes:
        path: The file.
        digest: SHA-256 of it, hexadecimal.
        average: The generator whose weights are an average, which images are drawn with.
        generator: The one that was trained.
        discriminator: Its opponent.
        left_out: What is not taken and why, in sentences.
        images: Real images that they were trained on, as far as the file says; else 0.
        data: Name of the file of these images; empty if it does not say.
    """

    path: Path
    digest: str
    average: Converted[Generator] | None
    generator: Converted[Generator] | None
    discriminator: Converted[ResNetDiscriminator] | None
    left_out: tuple[str, ...] = ()
    images: int = 0
    data: str = ""

    @property
    def name(self) -> str:
        """Of the file, safe to write and to show."""
        return printable(self.path.name)

    @property
    def identity(self) -> str:
        """Name and digest, as records hold networks that others have trained: "stylegan2:ffhq.pkl 0123..."."""
        return f"stylegan2:{'_'.join(self.name.split())} {self.digest}"


@dataclass(frozen=True)
class _Found:
    networks: Mapping[str, ForeignNetwork]
    facts: Mapping[Any, Any] = field(default_factory=dict)


def read_networks(
    path: Path, flag: str, *, only: Part | None = None, without_generator: bool = False
) -> ImportedNetworks:
    """Reads a network pickle of StyleGAN2 or StyleGAN2-ADA without running anything of it.

    Args:
        path: The file.
        flag: How the user named it, for messages.
        only: Of the networks, the one that is wanted; None takes all.
        without_generator: Whether the discriminator is enough, where the generator is StyleGAN3's.

    Raises:
        UserError: If it cannot be read, is something else, or holds what has no counterpart.
    """
    named = f"{flag}{str(path)!r}"
    try:
        read = read_pickle(path)
        found = _find(read)
        return _converted(path, read, found, only, without_generator=without_generator)
    except OSError as error:
        raise UserError(
            f"{named} cannot be read ({error.strerror or error}), expected a network pickle of StyleGAN2 or"
            " StyleGAN2-ADA. Check the path."
        ) from None
    except UnreadablePickle as error:
        raise UserError(
            f"{named} cannot be used: {error}. Expected a network pickle of StyleGAN2 or StyleGAN2-ADA; check the"
            " path, or download the file again."
        ) from None
    except _Refused as error:
        raise UserError(f"{named}: {error}") from None


class _Refused(ValueError):
    """What a network has no counterpart for, and what to do."""


def _find(read: ReadPickle) -> _Found:
    """The networks by what NVIDIA calls them."""
    value = read.value
    alone = _network(value)
    if alone is not None:
        return _Found({"D" if is_discriminator(alone) else "G_ema": alone})
    if isinstance(value, list | tuple) and len(value) == len(_IN_ORDER):
        pairs = dict(zip(_IN_ORDER, value, strict=True))
    else:
        pairs = {name: entries_of(value).get(name) for name in _IN_ORDER}
    found = {name: _network(part) for name, part in pairs.items()}
    networks = {name: network for name, network in found.items() if network is not None}
    if not networks:
        raise UnreadablePickle(f"it holds {described(value)}, and none of the networks G, D, G_ema")
    return _Found(networks, entries_of(value))


def _network(value: Any) -> ForeignNetwork | None:
    return torch_network(value) or tensorflow_network(value)


def _converted(
    path: Path,
    read: ReadPickle,
    found: _Found,
    only: Part | None,
    *,
    without_generator: bool,
) -> ImportedNetworks:
    networks, left_out = found.networks, []
    average = generator = discriminator = None
    drawing = networks.get("G_ema") or networks.get("G")
    if drawing is not None and only != "discriminator":
        if is_stylegan3(drawing) and without_generator and "D" in networks:
            left_out.append("The generator is StyleGAN3's, which has no counterpart here.")
        else:
            average = _attempt("generator", lambda: convert_generator(drawing), "D" in networks)
            if "G" in networks and "G_ema" in networks:
                trained = networks["G"]
                generator = _attempt(
                    "generator", lambda: convert_generator(trained), "D" in networks
                )
    if "D" in networks and only != "generator":
        judge = networks["D"]
        discriminator = _attempt(
            "discriminator", lambda: convert_discriminator(judge), bool(drawing)
        )
    elif only is None:
        left_out.append("It holds no discriminator.")
    if average is None and discriminator is None:
        raise UnreadablePickle(f"it holds no {only or 'network'}")
    return ImportedNetworks(
        path,
        read.digest,
        average=average,
        generator=generator,
        discriminator=discriminator,
        left_out=tuple(left_out),
        images=_images(found.facts),
        data=_data(found.facts),
    )


def _attempt(part: Part, convert: Any, another: bool) -> Any:
    try:
        return convert()
    except NoCounterpart as error:
        other = "discriminator" if part == "generator" else "generator"
        remedy = (
            f"Take the {other} alone: adavit import FILE --only {other} --out DIR."
            if another
            else "Take another file."
        )
        raise _Refused(
            f"the {part} has no counterpart here ({error}). Expected StyleGAN2's or StyleGAN2-ADA's. {remedy}"
        ) from None


def _images(facts: Mapping[Any, Any]) -> int:
    count = number_of(facts.get("cur_nimg"))
    return int(count) if count is not None and 0 <= count < MOST_COUNTED else 0


def _data(facts: Mapping[Any, Any]) -> str:
    """The name of the file of images that the networks were trained on; never its folder."""
    given = entries_of(facts.get("training_set_kwargs")).get("path")
    parts = (
        [part for part in given.replace("\\", "/").split("/") if part]
        if isinstance(given, str)
        else []
    )
    return printable(parts[-1][:200]) if parts else ""
