"""By what images are compared: the network that was asked for, else the best that is to be had without a download."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from adavit.config.auto import features_side
from adavit.errors import UserError
from adavit.evaluation.sources import config_of
from adavit.features.architectures import LOGIT_KERNEL
from adavit.features.choice import PretrainedNetwork, absolute, find_network
from adavit.features.names import NamedBy, check_network_name
from adavit.metrics import choose_extractor
from adavit.metrics.extractors.extractor import FloatExtractor
from adavit.metrics.extractors.weight_files import WeightsAbsentError
from adavit.models import ResNetDiscriminator, ViTDiscriminator
from adavit.projection.distance import (
    DiscriminatorMaps,
    Distance,
    LpipsMaps,
    Maps,
    NetworkMaps,
    PixelMaps,
)
from adavit.runs.directory import RunDirectory
from adavit.runs.discriminator_file import read_discriminator
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.imported_folder import ImportedFolder
from adavit.runtime.console import Console
from adavit.runtime.paths import quoted
from adavit.training.start.features import find_features
from adavit.training.trained_networks import read_run_discriminator

NAMED_BY = NamedBy("--features ", "leave --features out")

PIXEL_WEIGHT = 3.0
"""Of the pixels beside a network. On ten images of CIFAR-10 that a run had not seen, 300 steps: with less, colours and
what other networks see are off; with ten, the network's own distance is a tenth larger."""

MOST_MAPS = 4
"""Of a network that was asked for."""


def check_features(
    requested: str | None, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> None:
    """Refuses what names no network, and colours of none, before anything is read.

    Args:
        requested: As for `choose_distance`.
        mean: Likewise.
        std: Likewise.

    Raises:
        UserError: If it does not, or they are not three numbers each, or there is no network that sees by them.
    """
    if requested not in (None, LpipsMaps.NAME):
        try:
            check_network_name("--features", requested, otherwise=NAMED_BY.otherwise)
        except ValueError as error:
            raise UserError(str(error)) from None
    for flag, colour in (("--features-mean", mean), ("--features-std", std)):
        if colour is None:
            continue
        written = ",".join(f"{each:g}" for each in colour)
        if requested in (None, LpipsMaps.NAME):
            raise UserError(
                f"{flag} is {written}, but no network of torchvision or timm is named for it, expected one. Name it"
                f" with --features, or leave {flag} out."
            )
        fitting = len(colour) == 3 and all(map(math.isfinite, colour))
        if not fitting or (colour is std and min(colour) <= 0):
            above = " above 0" if colour is std else ""
            raise UserError(
                f"{flag} is {written}, expected three numbers{above}: for red, green and blue. Give those that the"
                f" network was trained with, such as {flag} 0.5,0.5,0.5."
            )


def choose_distance(
    stored: StoredGenerator,
    features: str | None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    device: torch.device,
    console: Console,
) -> Distance:
    """What images of a generator are compared by. Pixels are always part of it: networks alone hardly see colour.

    Args:
        stored: The generator; its discriminator is looked for beside it.
        features: LIBRARY:NAME or LIBRARY:NAME:FILE, as `adavit train` takes it, or lpips-vgg16. None takes LPIPS where
            its weights lie on the disk, else the network that the run was trained with where its do, else its
            discriminator, else pixels alone.
        mean: Red, green and blue that are 0 to the network of `features`, in [0, 1]. None: as the run has it, where it
            was trained with that network and file, else what its published weights were trained with.
        std: What is 1 to it, above 0. None: as for `mean`.
        device: Where it is computed.
        console: Told what was passed over where none was asked for.

    Raises:
        UserError: If the network that was asked for cannot be had, or `check_features` refuses it.
    """
    check_features(features, mean, std)
    pixels = PixelMaps(PIXEL_WEIGHT)
    found = _lpips(features, device) or _own_network(stored, features, mean, std, device, console)
    if found is None and features is not None:
        found = _named_network(features, stored, mean, std, device)
    if found is not None:
        return Distance([found, pixels])
    try:
        beside = _discriminator(stored, device)
    except UserError as error:
        console.note(
            f"Warning: images are compared by their pixels alone, since the discriminator cannot be had: {error}"
            " A network named with --features sees more."
        )
        return Distance([pixels])
    return Distance([beside, pixels])


def _lpips(features: str | None, device: torch.device) -> Maps | None:
    """LPIPS, if it was asked for, or nothing was and its weights are there."""
    if features not in (None, LpipsMaps.NAME):
        return None
    try:
        extractor, _ = choose_extractor(
            LpipsMaps.NAME, device=device, allow_download=features is not None
        )
    except WeightsAbsentError:
        if features is not None:
            raise
        return None
    assert isinstance(extractor, FloatExtractor)
    return LpipsMaps(extractor, extractor.weights_digest)


def _own_network(
    stored: StoredGenerator,
    features: str | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    device: torch.device,
    console: Console,
) -> Maps | None:
    """The network of the run as its critic sees through it; None where it has none, or another one is wanted.

    Whose file it is may be anyone's: unasked nothing that it names is downloaded.
    """
    try:
        own = config_of(stored).features
    except UserError:  # a generator from elsewhere
        return None
    if features is not None and absolute(features) != absolute(own.network or ""):
        return None
    try:
        found = find_features(own, named_by=NAMED_BY, allow_download=features is not None)
    except UserError as error:
        if features is not None:
            raise
        console.note(
            f"Passed over is the network that the run was trained with, {own.network}, which --features"
            f" {quoted(str(own.network))} downloads where it can: {error}"
        )
        return None
    if found is None:
        return None
    network = found.build(
        side=own.side,
        maps=own.maps,
        class_token=False,
        mean=own.mean if mean is None else mean,
        std=own.std if std is None else std,
    )
    return NetworkMaps(network.to(device), found.identity)


def _named_network(
    features: str,
    stored: StoredGenerator,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    device: torch.device,
) -> Maps:
    found = find_network(features, NAMED_BY)
    side = features_side(features, stored.generator.resolution)
    maps = _maps_at(found, side)
    network = found.build(side=side, maps=maps, class_token=False, mean=mean, std=std)
    return NetworkMaps(network.to(device), found.identity)


def _maps_at(found: PretrainedNetwork, side: int) -> int:
    fitting = found.architecture.maps(side, smallest=LOGIT_KERNEL)
    return max(1, min(MOST_MAPS, len(fitting)))


def _discriminator(stored: StoredGenerator, device: torch.device) -> Maps:
    run, imported = RunDirectory(stored.path.parent), ImportedFolder(stored.path.parent)
    network: nn.Module
    if stored.path == imported.generator and imported.discriminator.is_file():
        network = read_discriminator(imported.discriminator).discriminator
    elif run.is_generator(stored.path) and run.checkpoints():
        network = read_run_discriminator(str(run.path))
    else:
        raise UserError(
            f"{str(run.path)!r} has no checkpoint of a run with this generator, expected one with the discriminator."
            " Name the run, or a network with --features."
        )
    assert isinstance(network, ResNetDiscriminator | ViTDiscriminator)
    generator = stored.generator
    shapes = [(each.image_channels, tuple(each.resolution)) for each in (network, generator)]
    if shapes[0] != shapes[1]:
        raise UserError(
            f"the discriminator in {str(run.path)!r} sees images of another shape than this generator draws, expected"
            " its own. Name the run, or a network with --features."
        )
    return DiscriminatorMaps(network.to(device))
