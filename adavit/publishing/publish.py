"""`publish`: a generator and its card to a hub of models, and nothing else."""

from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from adavit.errors import UserError
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.publishing.card import card_folder, write_card
from adavit.publishing.file_names import CARD, DIGEST, FACTS, GENERATOR, HUB_NAME, SAMPLES
from adavit.runs.generator_file import StoredGenerator, read_generator
from adavit.runs.hub import (
    HUB,
    can_be_reached,
    endpoint,
    hub_errors,
    hub_library,
    hub_refusal,
    is_hub,
    repository_of,
    without_chatter,
)
from adavit.runs.reading import json_object, read_json, weights_metadata
from adavit.runs.shared_names import names_shared
from adavit.runtime.paths import quoted, takes_paths
from adavit.runtime.wording import listed


@dataclass(frozen=True)
class SentFile:
    """One file of a publication.

    Attributes:
        name: In the repository.
        path: It is made of.
        content: Its bytes.
    """

    name: str
    path: Path
    content: bytes


@dataclass(frozen=True)
class Publication:
    """What `publish` has sent, or would.

    Attributes:
        repository: USER/NAME.
        files: All that goes there.
        card: The folder of the card.
        names: What the generator file names of your files and folders: data, networks, runs.
        url: Of the repository; None where nothing was sent.
    """

    repository: str
    files: tuple[SentFile, ...]
    card: Path
    names: tuple[str, ...]
    url: str | None


@takes_paths("source")
def publish(
    source: Path | str,
    to: str,
    *,
    yes: bool = False,
    private: bool = False,
    which: str | None = None,
) -> Publication:
    """Sends a generator file, its card, the picture of samples and what programs read, in one commit.

    The card is the one in `card` beside the generator file, which `adavit.card` writes and you may have edited; it is
    written first where there is none. Its `hub:USER/NAME` becomes the name of the repository.

    Examples:
        >>> adavit.publish("runs/00000-small_set-resnet-bgc", "hub:me/small-things").url  # nothing was sent: None
        >>> adavit.publish("runs/00000-small_set-resnet-bgc", "hub:me/small-things", yes=True).url
        'https://huggingface.co/me/small-things'

    Args:
        source: A run directory or a generator file.
        to: `hub:USER/NAME`; the repository is made if it is not there.
        yes: Send; otherwise only what would be sent is returned, and the card written if there is none.
        private: Whether a repository that is made is for you alone.
        which: "best" or "last" generator of a run; None is the best.

    Returns:
        The files, and where they went.

    Raises:
        UserError: If there is no such generator, the card is of other weights, huggingface_hub is absent, or the hub
            cannot be reached or refuses; or `private` is asked of a repository that is public.
    """
    repository = repository_of(to, "--to")
    if is_hub(str(source)):
        raise UserError(
            f"{str(source)!r} is on a hub already, expected a run or a generator file. Name one of yours."
        )
    stored = read_generator(source, which=which)
    folder = card_folder(stored)
    if not (folder / CARD).exists():
        write_card(stored, folder, license=None)
    files = _files(stored, folder, repository)
    url = _send(repository, files, private=private) if yes else None
    generator = files[-1].content  # what is sent, and not what `stored` was read from
    names = names_shared(json_object(weights_metadata(generator).get("config", "")))
    return Publication(repository, files, folder, names, url)


def _files(stored: StoredGenerator, folder: Path, repository: str) -> tuple[SentFile, ...]:
    """All that is sent, the generator last.

    Raises:
        UserError: If the card is not whole, or of another generator.
    """
    if lacking := [name for name in (SAMPLES, FACTS) if not (folder / name).is_file()]:
        raise UserError(
            f"the card in {str(folder)!r} lacks {listed(lacking)}, expected all that adavit card writes. Write one"
            f" elsewhere with adavit card {quoted(str(stored.path))} --out {quoted(f'{folder}-new')}, and move"
            f" {listed(lacking)} from there to this one."
        )
    # A run that goes on may have put other weights there since `stored` was read: what counts are the bytes sent.
    weights = stored.path.read_bytes()
    if read_json(folder / FACTS).get(DIGEST) != _digest(weights):
        raise UserError(
            f"the card in {str(folder)!r} is of other weights than {str(stored.path)!r}, expected the card of these."
            f" Write it anew: adavit card {quoted(str(stored.path))}. A card that you have changed, move to another"
            " place first."
        )
    page, *others = (
        SentFile(name, folder / name, (folder / name).read_bytes())
        for name in (CARD, SAMPLES, FACTS)
    )
    named = page.content.replace(HUB_NAME.encode(), f"{HUB}{repository}".encode())
    return (replace(page, content=named), *others, SentFile(GENERATOR, stored.path, weights))


def _digest(file: bytes) -> str:
    """Of the weights in a generator file, as a card holds it; "" if it is damaged."""
    try:
        return tensors_digest(load(file))
    except SafetensorError:
        return ""


def _send(repository: str, files: tuple[SentFile, ...], *, private: bool) -> str:
    name = f"{HUB}{repository}"
    hub = hub_library(name)
    if not can_be_reached(hub):
        raise hub_refusal(name, ConnectionError("no connection"))
    try:
        with without_chatter():
            api = hub.HfApi(endpoint=endpoint(), library_name="adavit")
            url = api.create_repo(repository, private=private, exist_ok=True)
            if private and not api.repo_info(repository).private:
                raise UserError(
                    f"--private is given, but {name} is there already and public, so nothing was sent. Expected a new"
                    " or a private repository; name another with --to, make that one private on its page, or leave"
                    " --private out."
                )
            api.create_commit(
                repository,
                [hub.CommitOperationAdd(file.name, file.content) for file in files],
                commit_message="A generator of adavit with its card",
            )
    except UserError:  # a ValueError, but none of the hub's
        raise
    except hub_errors(hub) as error:
        raise hub_refusal(name, error) from None
    return str(url)
