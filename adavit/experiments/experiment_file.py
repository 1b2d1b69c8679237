"""An experiment file, which is a grid or a sweep: where it is found, what both hold, how mistakes are worded."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from adavit.config.layers import Values, flatten, merge, parse_yaml, read_preset
from adavit.errors import UserError, shown
from adavit.runtime.inputs import read_input
from adavit.runtime.paths import quoted
from adavit.runtime.wording import did_you_mean
from adavit.runtime.yaml_text import load_yaml

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names become folders and names in a queue."""


MAXIMUM_RUNS = 10_000
"""Of a grid or a sweep; more than anyone trains, and as many as the queue is searched in a second for."""

FILES = {"grid": "grid.yaml", "sweep": "sweep.yaml"}
"""In the folder of an experiment: the file that it was made of, by its kind."""

KEYS = {"name": str, "description": str, "preset": str, "base": dict}
"""Keys of every such file, with their types."""

NOT_OF_SEVERAL_RUNS = {
    "run.budget": "none, so that runs which are compared see as many images. Give training.total_kimg instead",
    "run.out": "none, since each run has a folder of its own below that of all. Give --out for that one instead",
}
"""Settings of a run by itself: what is expected in an experiment, and what to do."""


@dataclass(frozen=True)
class ExperimentFile:
    """What a grid and a sweep both say.

    Attributes:
        name: Of the experiment; also of its queue and its folder.
        description: What it is to show, for people.
        base: Sections of keys that all runs share.
    """

    name: str
    description: str
    base: Values

    def overridden_base(
        self, layers: Sequence[Values], *, varied: Iterable[str], reason: str
    ) -> Values:
        """The shared settings with others laid over them.

        Args:
            layers: Weakest first.
            varied: Settings, by `section.key`, that are not shared: the experiment varies them.
            reason: Says so of such a setting.

        Raises:
            UserError: If a layer sets what is varied, or has no sections.
        """
        given = merge(*layers)
        check_sections(given, "--set")
        for key in flatten(given):
            if key in varied:
                raise UserError(f"{key} is given, but {reason}. Leave it out, or change the file.")
        return merge(self.base, given)

    def to_yaml(self, **own: Any) -> str:
        """The text of a file that is read to the same experiment.

        Args:
            own: Keys that only this kind of experiment has.
        """
        values = {
            "name": self.name,
            "description": self.description,
            "base": self.base,
            **own,
        }
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def shipped_names(folder: str) -> list[str]:
    """Names of the files below `configs/FOLDER`, sorted."""
    files = (resources.files("adavit.configs") / folder).iterdir()
    return sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml"))


def read_experiment(
    source: str,
    *,
    folder: str,
    noun: str,
    keys: Mapping[str, type],
    others: Mapping[str, str],
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The keys of a file, or of one shipped with adavit; a path wins over a name.

    Args:
        source: Path of a YAML file, or a name without its suffix.
        folder: Where the shipped ones are, below `configs`.
        noun: What one is called.
        keys: Type of each key that may be there.
        others: Commands that take files with a key which may not be there, by that key.
        defaults: Values of missing keys; those of others are the empty values of their types.

    Raises:
        UserError: If there is no such file, or its content is not as expected.
    """
    names = shipped_names(folder)
    path = Path(source)
    if path.exists() and not path.is_dir():
        try:
            text = read_input(path)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{source!r} cannot be read ({error}). Expected a YAML file; check the path."
            ) from None
    elif source in names:
        text = (resources.files("adavit.configs") / folder / f"{source}.yaml").read_text(
            encoding="utf-8"
        )
    else:
        raise UserError(
            f"{source!r} is neither a file nor a shipped {noun}, expected a YAML file or one of:"
            f" {', '.join(names)}.{did_you_mean(source, names)}"
        )
    values = parse_yaml(text, repr(source))
    for key, value in values.items():
        if key not in keys:
            remedy = f"Remove it.{did_you_mean(str(key), keys)}"
            if key in others:
                remedy = f"Files with it are for adavit {others[key]} {quoted(source)}."
            raise UserError(
                f"{source!r} has the key {shown(key)}, expected one of: {', '.join(keys)}. {remedy}"
            )
        if not isinstance(value, keys[key]) or isinstance(
            value, bool
        ):  # to Python true is a number
            raise UserError(
                f"{source!r}: {key} is {shown(value)}, expected {described(keys[key])}. Correct the"
                " file."
            )
    empty = {key: kind() for key, kind in keys.items()}
    filled = {**empty, **(defaults or {}), **values}
    filled["name"] = filled["name"] or path.stem
    if not NAME.fullmatch(filled["name"]):
        raise UserError(
            f"{source!r}: name is {shown(filled['name'])}, expected letters, digits, '.', '_' and '-',"
            " at most 64. Change name, or the file's name."
        )
    return filled


def shared(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an `ExperimentFile`; its base is the preset with `base` over it.

    Args:
        values: As `read_experiment` gives them.

    Raises:
        UserError: If there is no such preset, or `base` is not made of sections.
    """
    check_sections(values["base"], "base")
    preset = read_preset(values["preset"]) if values["preset"] else {}
    return {
        "name": values["name"],
        "description": values["description"].strip(),
        "base": merge(preset, values["base"]),
    }


def check_sections(settings: object, where: str) -> None:
    """Raises an error unless `settings` is a mapping of sections of keys that several runs may share.

    Raises:
        UserError: With `where`, the place in the file.
    """
    for section, keys in settings.items() if isinstance(settings, Mapping) else [("", None)]:
        if not isinstance(keys, Mapping):
            found = f"{where}.{section}" if section else where
            value = keys if section else settings
            raise UserError(
                f"{found} is {shown(value)}, expected sections of keys. Write for example"
                f" '{where}: {{training: {{batch: 32}}}}'."
            )
        for key, value in keys.items():
            if value is not None:
                check_of_several_runs(f"{section}.{key}", value, where)


def check_of_several_runs(key: str, value: object, where: str) -> None:
    """Refuses a setting that only a run by itself has.

    Args:
        key: Its `section.key`.
        value: For the message.
        where: The place in the file, or --set.

    Raises:
        UserError: If it is one of `NOT_OF_SEVERAL_RUNS`.
    """
    if key in NOT_OF_SEVERAL_RUNS:
        place = f"{where} {key}" if where.startswith("-") else f"{where}.{key}"
        raise UserError(f"{place} is {shown(value)}, expected {NOT_OF_SEVERAL_RUNS[key]}.")


def check_size(runs: int, what: str, noun: str, fewer: str) -> None:
    """Refuses an experiment that no queue could hold, before its runs are made.

    Args:
        runs: How many it has.
        what: The experiment, for people.
        noun: What a run of it is called, in the plural.
        fewer: Of what there should be fewer.

    Raises:
        UserError: If it has more than `MAXIMUM_RUNS`.
    """
    if runs > MAXIMUM_RUNS:
        raise UserError(
            f"{what} has {runs:,} {noun}, expected at most {MAXIMUM_RUNS:,}. Give fewer {fewer}, or"
            " split it into several."
        )


def check_folder(folder: Path, kind: str, name: str) -> None:
    """Two experiments in one folder would make a report of neither.

    Args:
        folder: Where the runs are to lie.
        kind: Of the experiment, a key of `FILES`.
        name: Of the experiment.

    Raises:
        UserError: If the folder holds another experiment.
    """
    for there, file in FILES.items():
        try:
            found = load_yaml(read_input(folder / file))["name"]
        except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
            continue
        if (there, found) != (kind, name):
            raise UserError(
                f"--out {str(folder)!r} holds the {there} {shown(found)}, expected the {kind} {name!r} or a"
                " new folder. Choose another."
            )


def is_setting(key: str) -> bool:
    """Whether a key has the form `section.key`."""
    section, dot, field = key.partition(".")
    return bool(section and dot and field)


def setting(key: str, value: Any) -> dict[str, Any]:
    """A layer of one setting, from `section.key`."""
    section, _, field = key.partition(".")
    return {section: {field: value}}


def described(kind: type) -> str:
    """A type in words of YAML."""
    return {dict: "a mapping", list: "a list", str: "a text", int: "a whole number"}[kind]
