"""What a run can start from: another run, a generator file, or networks that others have trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from adavit.errors import UserError
from adavit.importing.import_networks import notes_of
from adavit.importing.networks import SUFFIXES, read_networks
from adavit.models import Generator, ResNetDiscriminator
from adavit.models.fitting import part_of_state
from adavit.runs.discriminator_file import read_discriminator
from adavit.runs.generations import checkpoint_of
from adavit.runs.generator_file import read_generator
from adavit.runs.hub import is_hub
from adavit.runs.imported_folder import ImportedFolder
from adavit.runs.reading import mapping, networks_seen

_OF_IMAGES = ("resolution", "image_channels", "num_classes", "noise")
"""Arguments of a generator that follow from images, or without which its weights fit too."""

_SIZES = ("form", "channel_base", "channel_max")
"""Arguments of a discriminator without which its weights do not fit."""

_WITHIN = "critic."
"""Begins the names of the heads of a `ProjectedDiscriminator`."""


@dataclass(frozen=True)
class TransferSource:
    """The networks to start from.

    Attributes:
        networks: States by name: generator, discriminator, average, and "features", the heads on frozen
            features, of a run that has some, beside its discriminator or as the whole of it.
        critic_saw: Name and digest of the network that these heads are trained on; empty without them.
        seen: Networks trained on other images that its discriminator has seen through (`features.seen`).
        warning: That they are of an older checkpoint, and why; empty if of the newest.
        kind: What they are of, in a word.
        sizes_from: What gives a run the sizes of these networks, as the beginning of a sentence.
        settings: Of the configuration, by section, with which a run has these networks; where the user leaves them
            open they are chosen so. Empty for a run, whose config.yaml has them.
        notes: What to know of them, in sentences.
        made_with: Arguments or settings of each network, by the same names, as far as they are known: what its tensors
            mean that neither names nor shapes tell.
    """

    networks: dict[str, dict[str, Tensor]]
    critic_saw: str
    seen: tuple[str, ...]
    warning: str
    kind: str = "run"
    sizes_from: str = "Use the sizes in its config.yaml"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    made_with: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The tensors of all networks, as "generator.NAME"."""
        return {
            f"{network}.{name}": tensor
            for network, state in self.networks.items()
            for name, tensor in state.items()
        }


def read_source(path: Path) -> TransferSource:
    """The networks that `training.transfer` names.

    Args:
        path: A run's directory, one of its checkpoints, a generator file or `hub:USER/NAME`, what `adavit import` has
            written, or a network pickle, of which nothing is run.

    Raises:
        UserError: If it is none of these, has no checkpoint yet, or is damaged.
    """
    if is_hub(str(path)):
        return _of_generator(path)
    if path.suffix.lower() in SUFFIXES:
        return source_of_pickle(path)
    if path.suffix == ".safetensors" or (path.is_dir() and ImportedFolder(path).is_import()):
        return source_of_files(path)
    newest = checkpoint_of(path)
    state = newest.state
    networks: dict[str, dict[str, Tensor]] = {}
    for name in (
        "generator",
        "discriminator",
        "average",
        *(["features"] if "features" in state else []),
    ):
        tensors = state.get(name)
        if not isinstance(tensors, dict) or not all(
            isinstance(value, Tensor) for value in tensors.values()
        ):
            raise UserError(
                f"checkpoint {str(newest.path)!r} holds no {name}, expected the tensors of"
                " one. Name a run that adavit train has made."
            )
        networks[name] = tensors
    within = part_of_state(networks["discriminator"], _WITHIN)
    if within:
        networks["features"] = within
    config = mapping(state.get("config"))
    seen = networks_seen(config)
    return TransferSource(
        networks,
        _critic_saw(config, seen),
        seen,
        newest.warning,
        made_with=settings_by_network(config),
    )


def _critic_saw(config: Mapping[str, Any], seen: Sequence[str]) -> str:
    """Which of the networks that a run has seen is its own; those before are of the runs it started from."""
    named = str(mapping(config.get("features")).get("network"))
    name = ":".join(named.split(":")[:2])
    return next((each for each in reversed(seen) if each.partition(" ")[0] == name), "")


def settings_by_network(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the networks of a run are made with, by their names as in `TransferSource.made_with`.

    Args:
        config: Of the run, by section.
    """
    resolution = {"resolution": mapping(config.get("data")).get("resolution")}
    generator = resolution | mapping(config.get("generator"))
    return {
        "generator": generator,
        "average": generator,
        "discriminator": resolution | mapping(config.get("discriminator")),
        "features": mapping(config.get("features")),
    }


def source_of_pickle(path: Path) -> TransferSource:
    """The networks of a pickle of StyleGAN2 or StyleGAN2-ADA; of StyleGAN3's the discriminator.

    Raises:
        UserError: As `read_networks`.
    """
    found = read_networks(path, "--transfer ", without_generator=True)
    generators = [each for each in (found.generator, found.average) if each is not None]
    judge = found.discriminator
    return _of_networks(
        [(each.network, each.arguments) for each in generators],
        None if judge is None else (judge.network, judge.arguments),
        seen=(found.identity,),
        remarks=notes_of(found),
    )


def _of_generator(path: Path) -> TransferSource:
    """A generator alone, of a file or a hub."""
    stored = read_generator(path)
    seen = stored.generator.discriminator_saw
    return _of_networks([(stored.generator, stored.arguments)], None, seen=seen)


def source_of_files(path: Path) -> TransferSource:
    """The networks of a generator file, and the imported ones that lie beside it.

    Args:
        path: A file, or the folder that `adavit import` has written. Of its discriminator's file that one is taken
            alone.

    Raises:
        UserError: If one of the files is damaged or not one of ours, or the import was killed before it had all.
    """
    folder = ImportedFolder(path if path.is_dir() else path.parent)
    if not path.is_dir() and path not in (folder.generator, folder.discriminator):
        return _of_generator(path)
    folder.check_whole()
    wanted = () if path == folder.discriminator else (folder.unaveraged, folder.generator)
    files = [file for file in wanted if file.is_file()]
    generators = [read_generator(file) for file in files]
    judge = read_discriminator(folder.discriminator) if folder.discriminator.is_file() else None
    origins = [each.origin for each in (*generators, judge) if each is not None and each.origin]
    return _of_networks(
        [(each.generator, each.arguments) for each in generators],
        None if judge is None else (judge.discriminator, judge.arguments),
        seen=tuple(dict.fromkeys(origins)),
    )


def _of_networks(
    generators: Sequence[tuple[Generator, dict[str, Any]]],
    judge: tuple[ResNetDiscriminator, dict[str, Any]] | None,
    *,
    seen: tuple[str, ...],
    remarks: Sequence[str] = (),
) -> TransferSource:
    """From networks with their arguments: generators as trained and averaged, or one that is both."""
    networks: dict[str, dict[str, Tensor]] = {}
    settings: dict[str, dict[str, Any]] = {}
    made_with: dict[str, dict[str, Any]] = {}
    if generators:
        networks["generator"] = generators[0][0].state_dict()
        networks["average"] = generators[-1][0].state_dict()
        made_with["generator"] = generators[0][1]
        made_with["average"] = generators[-1][1]
        settings["generator"] = {k: v for k, v in generators[0][1].items() if k not in _OF_IMAGES}
    if judge is not None:
        networks["discriminator"] = judge[0].state_dict()
        made_with["discriminator"] = judge[1]
        settings["discriminator"] = {k: v for k, v in judge[1].items() if k in _SIZES}
        if not judge[1]["minibatch_std_group"]:  # else any number of images does
            settings["discriminator"]["minibatch_std_group"] = 0
        if judge[1]["num_classes"]:
            settings["discriminator"]["label_layers"] = judge[1]["label_layers"]
    of_images = (judge or generators[0])[1]
    settings["data"] = {"resolution": of_images["resolution"]}
    return TransferSource(
        networks,
        critic_saw="",
        seen=seen,
        warning="",
        kind="file",
        sizes_from="Leave the sizes of both networks out, so that they are chosen as there",
        settings=settings,
        notes=tuple(remarks),
        made_with=made_with,
    )
