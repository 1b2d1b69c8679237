"""`import_networks`: a network pickle as files that generate, evaluate and train with --transfer take."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from adavit.importing.foreign import Converted
from adavit.importing.networks import ImportedNetworks, Part, read_networks
from adavit.importing.readme import readme_of
from adavit.models import Generator
from adavit.runs.directory import RunDirectory
from adavit.runs.discriminator_file import save_discriminator
from adavit.runs.generator_file import save_generator
from adavit.runs.imported_folder import UNFINISHED, ImportedFolder
from adavit.runs.metadata import UNKNOWN
from adavit.runs.shared_names import HERE
from adavit.runtime.choices import check_choice
from adavit.runtime.console import Console
from adavit.runtime.files import make_folder, mark_results, unfinished_file, write_text
from adavit.runtime.paths import takes_paths


@takes_paths("path", "out")
def import_networks(
    path: Path | str, out: Path | str, *, only: Part | None = None, console: Console | None = None
) -> list[Path]:
    """Writes the networks of a pickle of StyleGAN2 or StyleGAN2-ADA as files of ours; nothing of it is run.

    Examples:
        >>> written = adavit.import_networks("ffhq.pkl", "ffhq")
        >>> generator = adavit.load_generator("ffhq")

    Args:
        path: The pickle, in PyTorch's form or in TensorFlow's.
        out: A new folder.
        only: The one network that is wanted, "generator" or "discriminator"; None takes all there are.
        console: Told what was written, and what differs; None says nothing.

    Returns:
        The files written.

    Raises:
        UserError: If the pickle cannot be read, is something else or holds what has no counterpart, or the folder
            cannot be made, is not empty, or another import was killed there.
    """
    if only is not None:
        check_choice("--only", only, get_args(Part))
    path, folder = Path(path), ImportedFolder(Path(out))
    folder.check_whole()
    RunDirectory.check_free(folder.path)
    networks = read_networks(path, "FILE ", only=only)
    there = folder.path.is_dir()
    make_folder(folder.path)
    written: list[Path] = []

    def write(file: Path, save: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        written.append(file)
        save(file, *arguments, **named)

    try:
        with unfinished_file(folder.path, UNFINISHED):  # vanishes with the block, but for a kill
            mark_results(folder.path)
            write(folder.readme, write_text, readme_of(networks, folder))
            judge = networks.discriminator
            if judge is not None:
                write(
                    folder.discriminator,
                    save_discriminator,
                    judge.network,
                    arguments=judge.arguments,
                    origin=networks.identity,
                )
            pairs = ((folder.unaveraged, networks.generator), (folder.generator, networks.average))
            for file, converted in pairs:  # what others draw with last
                if converted is not None:
                    write(file, _save_generator, converted, networks)
    except BaseException:
        for file in [*written, RunDirectory(folder.path).mark]:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        if not there:
            with contextlib.suppress(OSError):
                folder.path.rmdir()
        raise
    if console is not None:
        for note in notes_of(networks):
            console.note(note)
        names = ", ".join(file.name for file in written)
        console.result(
            f"Wrote {names} to {folder.path}: {networks.name}, of which nothing was run."
        )
    return written


def notes_of(networks: ImportedNetworks) -> list[str]:
    """What to know of imported networks, in sentences, each once."""
    found = (networks.average, networks.generator, networks.discriminator)
    notes = [note for network in found if network is not None for note in network.notes]
    return list(dict.fromkeys([*networks.left_out, *notes]))


def _save_generator(
    file: Path, converted: Converted[Generator], networks: ImportedNetworks
) -> None:
    arguments = converted.arguments
    classes = tuple(map(str, range(arguments["num_classes"])))
    sizes = {
        key: value
        for key, value in arguments.items()
        if key not in ("resolution", "image_channels", "num_classes")
    }
    # StyleGAN2's discriminator sees through nothing; of a file without it nobody knows.
    seen = [] if networks.discriminator is not None else [networks.identity]
    save_generator(
        file,
        converted.network,
        arguments=arguments,
        config={
            "data": {
                "source": HERE + (networks.data or f"images of {networks.name}"),
                "resolution": arguments["resolution"],
                "cond": bool(classes),
            },
            "generator": sizes,
            "features": {"seen": seen},
        },
        data_fingerprint=UNKNOWN,
        images=networks.images,
        metric=None,
        classes=classes,
        label_counts=[1] * len(classes) if classes else None,
        origin=networks.identity,
    )
