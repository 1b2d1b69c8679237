"""Names instead of paths, in what is handed on: a folder's path tells who owns it, and means nothing elsewhere."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from adavit.runs.directory import RunDirectory
from adavit.runs.reading import mapping, networks_seen, read_yaml, text

PATH_SETTINGS = {
    "data": ("source", "data_root"),
    "metrics": ("reference", "inception_weights", "extractor"),
    "features": ("network",),
    "training": ("transfer", "init_discriminator", "distill_network"),
    "run": ("out",),
}
"""Settings that are paths, or may hold one."""

HERE = "./"
"""Before a name that stands for a path: it is looked for here, and never taken for the name of a known set."""

TRUNK = "adavit:"
"""Before the name of the images that a trunk of `adavit pretrain` has learnt, in `features.seen`."""

_QUOTED = re.compile(r"""(['"])((?:/|\\\\|[A-Za-z]:[\\/])[^'"]*[\\/][^'"]*)\1""")
_BARE = re.compile(
    r"""(?<![\w./~:-])(?:/(?!/)|\\\\|[A-Za-z]:[\\/])(?:[^\s/\\'":;,()<>|]+[\\/])+[^\s/\\'":;,()<>|]*"""
)
_ENDING = re.compile(r"(?<=[^/]:)(?:/(?!/)|\\\\|[A-Za-z]:[\\/]).*")
"""A file at the end of the name of an extractor, such as torchvision:resnet50:FILE."""


def shared_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run for a file that is handed on.

    Args:
        config: By section, as plain values.

    Returns:
        The same, with names in place of absolute paths, and without the place of downloads.
    """
    shared = {section: dict(values) for section, values in config.items()}
    for section, keys in PATH_SETTINGS.items():
        for key in keys:
            value = shared.get(section, {}).get(key)
            if isinstance(value, str):
                shared[section][key] = None if key == "data_root" else _shared_path(value)
    return shared


def local_config(config: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The settings that a file of a run holds, with the paths that its run directory still knows.

    Args:
        config: As `shared_config` made them.
        file: Where they were read.

    Returns:
        The same where the file does not lie in its run.
    """
    run = RunDirectory(file.parent)
    if not run.is_generator(file):
        return dict(config)
    stored = read_yaml(run.config)
    known = {section: dict(mapping(values)) for section, values in config.items()}
    for section, keys in PATH_SETTINGS.items():
        for key in keys:
            value = mapping(stored.get(section)).get(key)
            if isinstance(value, str) and section in known:
                known[section][key] = value
    return known


def names_shared(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What the settings in a file that is handed on name of its maker's files and folders.

    Args:
        config: As `shared_config` made them.

    Returns:
        Each name once; a trunk of `adavit pretrain` is named after the images that it has learnt.
    """
    names = []
    for section, keys in PATH_SETTINGS.items():
        values = mapping(config.get(section))
        for value in (text(values.get(key)) for key in keys):
            # A run's folder is stored as it was given, and is a path whatever it looks like.
            names.append(value if section == "run" else _name_shared(value))
    trunks = [seen.partition(" ")[0] for seen in networks_seen(config)]
    names += [name.removeprefix(TRUNK) for name in trunks if name.startswith(TRUNK)]
    return tuple(dict.fromkeys(name.removeprefix(HERE) for name in names if name))


def without_folders(value: Any) -> Any:
    """The same, with only the last part of every absolute path in its texts.

    Args:
        value: A text, or a mapping, list or tuple with texts in it; other values stay.
    """
    if isinstance(value, str):
        if is_absolute(value):
            return _name(value)
        quoted = _QUOTED.sub(lambda match: f"{match[1]}{_name(match[2])}{match[1]}", value)
        return _BARE.sub(lambda match: _name(match[0]), _ENDING.sub(_ending, quoted))
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_folders(item) for item in value)
    return value


def is_absolute(text: str) -> bool:
    """Whether a text is an absolute path, of this system or another, and nothing else."""
    if "\n" in text:
        return False
    return text.startswith("/") or (
        PureWindowsPath(text).is_absolute() and not PurePosixPath(text).is_absolute()
    )


def _shared_path(text: str) -> str:
    if is_absolute(text):
        return HERE + _name(text)
    return _ENDING.sub(_ending, text)


def _name_shared(value: str) -> str:
    """The name that stands for a path in a setting; "" where there is none."""
    if value.startswith(HERE):
        return value
    library, _, network = value.partition(":")  # LIBRARY:NAME:FILE, or vgg16:FILE
    return network if library == "vgg16" else network.partition(":")[2]


def _ending(match: re.Match[str]) -> str:
    return _name(match[0])


def _name(path: str) -> str:
    parts = [part for part in re.split(r"[\\/]", path) if part]
    return parts[-1] if parts else path
