"""Generators on a hub of models, named `hub:USER/NAME`: of a repository only its safetensors file is ever loaded.

The library huggingface_hub, an extra of ours, fetches it into its own cache, from where it comes without a network too.
"""

import contextlib
import importlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from adavit.errors import UserError, first_line
from adavit.runtime.reachability import is_reachable

HUB = "hub:"
"""Begins the name of a repository, where a path could stand."""

HUB_GENERATOR = "generator.safetensors"
"""The generator file of a repository."""

_REPOSITORY = re.compile(r"(?!.*(--|\.\.|\.git$))\b[\w.-]{1,96}\b/\b[\w.-]{1,96}\b", re.ASCII)
"""What huggingface_hub takes for one; of anything else it says so only where the hub is asked."""


def is_hub(source: str) -> bool:
    """Whether a word names a repository of a hub."""
    return source.startswith(HUB)


def repository_of(source: str, flag: str = "") -> str:
    """USER/NAME of `hub:USER/NAME`.

    Args:
        source: As it is written.
        flag: Where, for messages.

    Raises:
        UserError: If it is something else.
    """
    name = source.removeprefix(HUB)
    if not is_hub(source) or not _REPOSITORY.fullmatch(name):
        raise UserError(
            f"{flag}{' ' if flag else ''}{source!r} names no repository of a hub, expected hub:USER/NAME, each of at"
            " most 96 letters, digits, '_', and '-' or '.' between them, without '--', '..' and a last '.git'. Correct"
            " it."
        )
    return name


def fetch_generator(source: str) -> Path:
    """The generator file of a repository, from the cache of huggingface_hub if it has not changed.

    Args:
        source: `hub:USER/NAME`.

    Raises:
        UserError: If huggingface_hub is not installed, the hub cannot be reached and the file is not in the cache, or
            there is no such repository or no generator in it.
    """
    repository = repository_of(source)
    hub = hub_library(source)
    try:
        with without_chatter():
            file = hub.hf_hub_download(
                repository,
                HUB_GENERATOR,
                endpoint=endpoint(),
                local_files_only=not can_be_reached(hub),
            )
            return Path(file)
    except hub.errors.EntryNotFoundError as error:
        if isinstance(error, hub.errors.LocalEntryNotFoundError):
            raise UserError(
                f"{source!r} cannot be had: {_hub_address()} cannot be reached, and it is not in the cache of"
                " huggingface_hub. Expected a network; try again, or name a file that you have."
            ) from None
        raise UserError(
            f"{source!r} has no {HUB_GENERATOR}, expected a repository that adavit publish has made. Name another one,"
            " or download its file and name that."
        ) from None
    except hub_errors(hub) as error:
        raise hub_refusal(source, error) from None


def hub_library(source: str) -> ModuleType:
    """huggingface_hub.

    Raises:
        UserError: If it is not installed.
    """
    try:
        importlib.import_module("huggingface_hub.errors")
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise UserError(
            f"{source!r} is on a hub, which needs the package huggingface_hub, which is not installed. Install it with"
            ' pip install "adavit[hub]", or name a file.'
        ) from None


def can_be_reached(hub: ModuleType) -> bool:
    """Whether the hub can be connected to; huggingface_hub alone tries for half a minute before it says so.

    Args:
        hub: The library; where it is told to stay offline nothing is tried, since it says so itself.
    """
    return hub.constants.HF_HUB_OFFLINE or is_reachable(endpoint() or hub.constants.ENDPOINT)


def hub_errors(hub: ModuleType) -> tuple[type[BaseException], ...]:
    """What calls of huggingface_hub raise: its own errors, and those of the library it speaks HTTP with."""
    return (OSError, ValueError, *hub.errors.HfHubHTTPError.__bases__)


def hub_refusal(source: str, error: BaseException) -> UserError:
    """An error of those in one line.

    Args:
        source: `hub:USER/NAME`.
        error: One of `hub_errors`.
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None:
        return UserError(
            f"{_hub_address()} cannot be used for {source!r} ({first_line(error)}), expected a network and the hub at"
            " its other end. Try again later."
        )
    if status in (401, 403, 404):
        return UserError(
            f"the hub refuses {source!r} (HTTP {status}), expected a repository that is there and that you may use."
            " Check the name; log in with hf auth login, or set HF_TOKEN."
        )
    return UserError(
        f"the hub answers {source!r} with HTTP {status} ({first_line(error)}), expected it to work. Try again later."
    )


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """While entered, huggingface_hub says nothing of each time that it tries again: our error says what it comes to."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def endpoint() -> str | None:
    """The address of the hub, where the environment names another one than huggingface_hub's own."""
    return os.environ.get("HF_ENDPOINT") or None


def _hub_address() -> str:
    return endpoint() or "huggingface.co"
