"""The critic on frozen features of a run, from its section `features`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from adavit.build.critic import build_critic_on
from adavit.config.auto import features_side
from adavit.config.features import FeaturesConfig
from adavit.config.section import AUTO
from adavit.data import BatchSampler
from adavit.errors import UserError
from adavit.features.background import on_random_background
from adavit.features.choice import PretrainedNetwork, find_network
from adavit.features.critic import FeatureCritic
from adavit.features.names import FEATURES, NamedBy
from adavit.runtime.randomness import generator_for, seed_for
from adavit.runtime.resolution import Resolution
from adavit.training.start.workload import Workload

CALIBRATION_IMAGES = 512
"""Training images by which the maps are standardised."""

_MOVED = replace(FEATURES, otherwise="name where it is now with --features LIBRARY:NAME:FILE")
"""How messages name the network of a run that has begun."""

PUT_BACK = "put the file back where it was"
"""What can be done where a run has begun with weights that have no other setting to name them."""

_BATCH = 16
"""Of them at a time: without gradients so few take less memory than a step, whatever the network."""


def find_features(
    features: FeaturesConfig,
    *,
    resolution: Resolution | None = None,
    named_by: NamedBy | None = None,
    allow_download: bool = True,
) -> PretrainedNetwork | None:
    """The network that `features.network` names, with the file of its weights; None where it names none.

    Args:
        features: Of a run.
        resolution: Of the images, where it is known before they are.
        named_by: How messages name the setting. None: as --features, which can be left out, or once the run has
            begun be given anew.
        allow_download: False looks for published weights on the disk only.

    Raises:
        UserError: If it cannot be had, its weights are no longer those that the run began with, or the side that
            it is to see does not suit it.
    """
    if features.network is None:
        return None
    if named_by is None:
        named_by = _MOVED if features.seen else FEATURES
    found = find_network(features.network, named_by, allow_download=allow_download)
    side: object = features.side
    if side == AUTO and resolution is not None:
        side = features_side(features.network, resolution)
    if isinstance(side, int):  # else it is chosen when the images are known
        found.taps(side, features.maps)
    check_as_begun("features.network", features.network, found.identity, features.seen)
    if not features.seen:  # no digest vouches for the file
        found.check()
    return found


def check_as_begun(key: str, requested: str, identity: str, seen: Sequence[str]) -> None:
    """Checks that a network is the one that its run began with.

    Args:
        key: Of the setting that names it.
        requested: How.
        identity: Its name and digest.
        seen: Those that the run holds; empty where it is new.

    Raises:
        UserError: If it is another.
    """
    if seen and identity not in seen:
        raise UserError(
            f"{key} {requested} has other weights than the run began with (sha256 in features.seen"
            " of its config.yaml), expected the same. Restore the file, or start a new run."
        )


def build_critic(
    features: FeaturesConfig,
    found: PretrainedNetwork | None,
    *,
    num_classes: int,
    seed: int,
    san: bool,
) -> FeatureCritic | None:
    """The critic of a resolved configuration, its heads drawn from the run's seed and its maps as they come.

    Args:
        features: Of a run.
        found: From `find_features`; without it there is no critic.
        num_classes: Classes that its heads are told, 0 for none.
        seed: Of the run.
        san: Whether its heads end in the last layer of SAN.

    Returns:
        The critic on the CPU, or None.

    Raises:
        UserError: If its network cannot be made of its file.
    """
    if found is None:
        return None
    network = found.build(
        side=features.side,
        maps=features.maps,
        class_token=features.class_token,
        mean=features.mean,
        std=features.std,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "feature critic", 0))
        try:
            return build_critic_on(network, features, num_classes=num_classes, san=san)
        except ValueError as error:
            raise UserError(str(error)) from None


def start_critic(workload: Workload, found: PretrainedNetwork | None) -> FeatureCritic | None:
    """The critic of a run as it begins, on its device, its maps standardised by its training images.

    Args:
        workload: Of the run.
        found: From `find_features`; without it there is no critic.

    Raises:
        UserError: As `build_critic`.
    """
    config = workload.config
    critic = build_critic(
        config.features,
        found,
        num_classes=workload.num_classes,
        seed=config.run.seed,
        san=config.training.san,
    )
    if critic is None:
        return None
    placed: dict[str, Any] = {"device": workload.device, "memory_format": torch.channels_last}
    critic = critic.to(**placed)
    stream = generator_for(config.run.seed, "ground of calibration", 0, workload.device)
    critic.calibrate(
        on_random_background(images, stream) for images in _calibration_images(workload)
    )
    return critic


def _calibration_images(workload: Workload) -> Iterator[Tensor]:
    """At most `CALIBRATION_IMAGES` training images [b, C, R, R] in [-1, 1], on the device of the run.

    Drawn, of each class its share: the first files are often of one class.
    """
    sampler = BatchSampler(
        workload.image_set,
        workload.some_of(workload.split.train, CALIBRATION_IMAGES),
        seed=workload.config.run.seed,
        purpose="calibration of the feature critic",
        device=workload.device,
        labelled=False,
    )
    for start in range(0, len(sampler), _BATCH):
        yield sampler.batch(start, min(_BATCH, len(sampler) - start))[0]
