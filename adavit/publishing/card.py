"""`card`: the page of a generator for a hub of models, from the records of its run."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from adavit.errors import UserError
from adavit.generation.grid import image_grid
from adavit.generation.sampling import images_of_seeds
from adavit.metrics.extractors.weight_files import file_digest
from adavit.publishing.card_facts import CardFacts, card_facts
from adavit.publishing.card_text import card_text
from adavit.publishing.file_names import CARD, CARD_FOLDER, DIGEST, DIGESTS, FACTS, SAMPLES
from adavit.runs.generator_file import StoredGenerator, read_generator
from adavit.runs.hub import is_hub
from adavit.runs.reading import read_json, text
from adavit.runtime.files import json_content, make_folder, write_together
from adavit.runtime.paths import takes_paths
from adavit.runtime.pictures import opaque, result_png
from adavit.styles.classes import choose_class

SAMPLE_SEEDS = range(32)
"""Of the images that a card shows, four rows of eight."""


@takes_paths("source", "out")
def card(
    source: Path | str,
    out: Path | str | None = None,
    *,
    which: str | None = None,
    license: str | None = None,
) -> list[Path]:
    """Writes what is to be known of a generator: README.md with front matter, samples.png, and adavit.json.

    Figures stand with their protocol, and only those of these very weights; of the images counts and fingerprint, no
    names of files; then settings, source weights with their licences, the copy check where `adavit memorisation` was
    run on the images trained on, and how to load the generator with adavit, or with torch and safetensors alone.

    Examples:
        >>> adavit.card("runs/00000-small_set-resnet-bgc", license="cc-by-4.0")
        [PosixPath('runs/00000-small_set-resnet-bgc/card/README.md'), ...]

    Args:
        source: A run directory or a generator file.
        out: Folder to write to; made if missing. None is `card` beside the generator file.
        which: "best" or "last" generator of a run; None is the best.
        license: Of the generator, as hubs call it, such as "apache-2.0"; None keeps what the card there states.

    Returns:
        The files written.

    Raises:
        UserError: If there is no such generator, the folder cannot be made, one of the three files there is somebody
            else's, or README.md or samples.png was changed since it was written.
    """
    if is_hub(str(source)) and out is None:
        raise UserError(
            f"{str(source)!r} lies on a hub, where no card can be written. Name a folder of yours with --out."
        )
    stored = read_generator(source, which=which)
    return write_card(stored, card_folder(stored) if out is None else Path(out), license=license)


def card_folder(stored: StoredGenerator) -> Path:
    """Where the card of a generator lies unless it is told otherwise."""
    return stored.path.parent / CARD_FOLDER


def write_card(stored: StoredGenerator, folder: Path, *, license: str | None) -> list[Path]:
    """As `card`, of a generator that was read."""
    found = _keep_others(folder)
    if license is None:  # of a card that is written anew
        license = text(read_json(folder / FACTS).get("license")) or None
    facts = card_facts(stored)
    shown = {
        CARD: card_text(facts, license_id=license).encode(),
        SAMPLES: result_png(_samples(stored)),
    }
    digests = {
        DIGESTS[name]: hashlib.sha256(content).hexdigest() for name, content in shown.items()
    }
    # By the facts it is known at any moment that the others are ours. Until all are there they name no weights, so
    # that nothing is published of two cards.
    begun = {
        "license": license,
        **{entry: sorted({digest, found.get(entry, digest)}) for entry, digest in digests.items()},
    }
    done = _for_programs(facts, license) | digests
    make_folder(folder)
    contents = [(FACTS, json_content(begun)), *shown.items(), (FACTS, json_content(done))]
    write_together((folder / name, content) for name, content in contents)
    return [folder / name for name in (*shown, FACTS)]


def _keep_others(folder: Path) -> dict[str, str]:
    """Refuses to write over files that somebody else has written, and over a page or picture that was changed.

    Returns:
        Digests of the page and the picture that are there, by their entries of `FACTS`.
    """
    written = read_json(folder / FACTS)
    there = [folder / name for name in (CARD, SAMPLES, FACTS) if (folder / name).exists()]
    found = {
        entry: file_digest(folder / name)
        for name, entry in DIGESTS.items()
        if folder / name in there
    }
    changed = [
        folder / name
        for name, entry in DIGESTS.items()
        if entry in found and found[entry] not in _known(written.get(entry))
    ]
    if DIGESTS[CARD] not in written and there:
        file, what = there[0], "was not written by adavit card"
    elif changed:
        file, what = changed[0], "was changed since it was written"
    else:
        return found
    raise UserError(
        f"{str(file)!r} {what}, expected no file of that name there, or one as adavit card has written it. Move it to"
        " another place, or name another folder with --out of adavit card."
    )


def _known(digests: object) -> list[object]:
    """The digest of a file, or of a card that was not written to its end those that it may have."""
    return digests if isinstance(digests, list) else [digests]


def _samples(stored: StoredGenerator) -> Image.Image:
    drawn = images_of_seeds(stored.generator, SAMPLE_SEEDS, choice=choose_class(stored, None))
    return opaque(image_grid(torch.stack([image for image, _ in drawn])))


def _for_programs(facts: CardFacts, license: str | None) -> dict[str, Any]:
    """The facts as JSON."""
    return {
        "generator": facts.sizes,
        DIGEST: facts.digest,
        "license": license,
        "images_seen": facts.stored.images,
        "classes": list(facts.stored.classes),
        "data": {
            "name": facts.data_name or None,
            "fingerprint": facts.stored.data_fingerprint,
            **facts.data,
        },
        "figures": [asdict(figure) for figure in facts.figures],
        "copies": facts.copies or None,
        "networks_seen": list(facts.seen),
        "transferred": facts.transferred,
        "tuned_from": facts.stored.tuned_from or None,
        "environment": facts.environment,
        "settings": facts.settings,
    }
