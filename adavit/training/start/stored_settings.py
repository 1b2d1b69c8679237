"""The settings of a run that goes on: those of its config.yaml, which its checkpoint holds too."""

from collections.abc import Collection, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from adavit.config.layers import Values, build_config, flatten, read_config_file
from adavit.config.run import ResolvedConfig
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.generations import load_newest

STAYS = {"features.network"}
"""Files that a run has or has not; their content is checked where they are read."""


def config_text(config: ResolvedConfig) -> str:
    """A configuration as YAML, sections in their order."""
    return yaml.safe_dump(config.as_dict(), sort_keys=False, allow_unicode=True)


def settings_in_file(directory: RunDirectory) -> Values | None:
    """The settings in config.yaml; None if it is lost, empty, or no settings at all."""
    try:
        return read_config_file(directory.config) or None
    except UserError:
        return None


def stored_settings(directory: RunDirectory) -> Values:
    """The settings of a run: of config.yaml or, where that is lost, of the checkpoint.

    Raises:
        UserError: If neither has them.
    """
    found = settings_in_file(directory)
    if found is not None:
        return found
    newest = load_newest(directory.checkpoint)
    if newest is None:
        raise UserError(
            f"{str(directory.config)!r} holds no settings, and there is no checkpoint, which would"
            " hold them too; expected one of the two. Start the run anew with another --out."
        )
    return settings_of(newest.state)


def settings_of(state: Mapping[str, Any]) -> Values:
    """The settings in the state of a checkpoint.

    Raises:
        UserError: If they are not those of a run.
    """
    try:
        return ResolvedConfig.model_validate(state.get("config")).as_dict()
    except ValidationError as error:
        raise UserError(
            f"the checkpoint holds no complete settings ({error.error_count()} are missing or not"
            " understood), expected those of a run of this version of adavit. Start a new run."
        ) from None


def check_unchanged(
    directory: RunDirectory, state: Mapping[str, Any], *, may_change: Collection[str]
) -> None:
    """Refuses a config.yaml that is not what the run was trained with: edited by hand, or by a bad disk.

    Args:
        directory: Of the run.
        state: Of its checkpoint.
        may_change: Settings that may differ, such as "training.total_kimg".

    Raises:
        UserError: Naming every setting that differs.
    """
    found = settings_in_file(directory)
    if found is None:
        return
    remedy = (
        f"Remove {directory.config}: {directory.resume_command} writes it again from"
        " the checkpoint."
    )
    trained = flatten(settings_of(state))
    try:
        written = flatten(build_config([found]).as_dict())
    except UserError as error:
        raise UserError(f"{error}\n{remedy}") from None
    differing = changed_settings(written, trained, may_change=may_change)
    if differing:
        lines = [
            f"{key} is {written.get(key)!r} in {str(directory.config)!r}, but the run was trained"
            f" with {trained[key]!r}."
            for key in differing
        ]
        raise UserError("\n".join([*lines, remedy]))


def changed_settings(
    before: Mapping[str, Any], after: Mapping[str, Any], *, may_change: Collection[str]
) -> list[str]:
    """Settings that differ and must not.

    Args:
        before: Values by key, such as "training.total_kimg".
        after: Likewise.
        may_change: Settings that may differ. Of those of `STAYS` what is there may move, but not come or go.
    """
    return [
        key
        for key, value in after.items()
        if before.get(key) != value
        and (key not in may_change or (key in STAYS and None in (before.get(key), value)))
    ]
