"""The commands of a document, run one after the other where there is all that documents speak of, and all is tiny.

Each rule says what is added to the commands that it is for, so that they end soon; a flag that is given twice counts
as it is given last. What is left as it stands runs as it stands.
"""

import fnmatch
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import adavit
from tests.network_pickles import write_networks

RUN = "runs/00000-small_set-resnet-bgc"
COPIES = (
    "runs/00000-flowers-resnet-bgc",
    "runs/00001-my_photos-vit-bgc",
    "runs/00000-small_set-vit-bgc",
    "runs/ablations/groups-cpu/one",
    "few_images/few-images-cpu/one",
)
"""Run directories that documents name, where all there is to be is a run."""

SMALL = {
    "discriminator": {"channel_base": 64, "channel_max": 8},
    "generator": {"latent_dim": 8, "style_dim": 8, "channel_base": 64, "channel_max": 8},
    "metrics": {"extractor": ["random"], "fakes": 20, "every_kimg": 1},
}
GENERATOR = (
    "--set generator.latent_dim=8 --set generator.style_dim=8 --set generator.channel_base=64"
    " --set generator.channel_max=8"
)
RESNET = "--set discriminator.channel_base=64 --set discriminator.channel_max=8"
VIT = "--set discriminator.width=16 --set discriminator.heads=2 --set discriminator.depth=1"
LENGTH = "--kimg 0.016 --batch 8 --resolution 16"
FAKES = "--fakes 20"
"""Of 2,000 the evaluations of such a run take five times as long as all the rest of it."""

FEW = "--set data.subset=8 --set data.resolution=16 --set metrics.fakes=20"


@dataclass(frozen=True)
class Rule:
    """What becomes of a command.

    Attributes:
        pattern: Of the words after `adavit`, with * and ?.
        added: Words behind them.
        because: Why such a command is not run here; "" where it is.
    """

    pattern: str
    added: str = ""
    because: str = ""


NOT_RUN = (
    Rule("*torchvision:*", because="weights are downloaded"),
    Rule("*timm:*", because="weights are downloaded"),
    Rule("*hub:* *", because="a hub is asked"),
    Rule("studio *", because="it serves until it is stopped"),
    Rule("doctor", because="it measures for ten seconds"),
    Rule("* --protocol *", because="figures of 5,000 images and more, in features of downloaded weights"),
)  # fmt: skip

RULES = (
    Rule("train --resume *", "--kimg 0.032"),
    Rule(
        "train * --budget *",
        f"--dry-run --resolution 16 {FAKES} {GENERATOR} {RESNET}",
    ),
    Rule("train * --transfer *", f"--kimg 0.016 --batch 8 {FAKES} {RESNET}"),
    Rule("train * --init-discriminator *", f"{LENGTH} {FAKES} {GENERATOR} {VIT}"),
    Rule("train * --discriminator vit*", f"{LENGTH} {FAKES} {GENERATOR} {VIT}"),
    Rule("train *", f"{LENGTH} {FAKES} {GENERATOR} {RESNET}"),
    Rule("pretrain --resume *", ""),
    Rule("pretrain *", f"{LENGTH} {VIT}"),
    Rule("augment preview *", "--resolution 16"),
    Rule("data crop * --tiles *", "--tiles 8"),
    Rule("data subset *", "--count 8"),
    Rule("evaluate drawn *", "--extractor random"),
    Rule("evaluate *", f"--extractor random {FAKES}"),
    Rule("memorisation * --project *", f"--project 2 {FAKES}"),
    Rule("memorisation *", FAKES),
    Rule("leaks *", f"--operations brightness {FAKES}"),
    Rule("inspect *", "--images 8"),
    Rule("generate * --seeds *", "--seeds 0-3"),
    Rule("interpolate *", "--seconds 0.2"),
    Rule("mix *", "--layers 0-1"),
    Rule("project *", "--steps 2 --tune 1"),
    Rule("ablate *", f"{GENERATOR} {FEW} --set training.total_kimg=0.016"),
    Rule("sweep *", f"{GENERATOR} {FEW} --set training.total_kimg=0.016 --trials 1"),
)
"""The first that fits counts; a command for which there is none is run as it stands."""

WORDS = {"cifar10": "my_photos", "cuda:0,cuda:1": "cpu", "cuda:0,cuda:1,cuda:2,cuda:3": "cpu"}
"""What is put in the place of words that ask for the internet, or a machine of another kind."""
LEFT_OUT = ("--processes", "--max-restarts")
"""Options that only say how many processes do what one does."""


def rule_not_to_run(words: Sequence[str]) -> Rule | None:
    """The first by which a command is not run here; None if it is."""
    text = " ".join(words)
    return next((rule for rule in NOT_RUN if fnmatch.fnmatch(text, rule.pattern)), None)


def reason_not_to_run(words: Sequence[str]) -> str:
    """Why a command is not run here; "" if it is."""
    rule = rule_not_to_run(words)
    return "" if rule is None else rule.because


def made_small(words: Sequence[str]) -> list[str]:
    """A command as it is run here."""
    kept, rest = [], iter(words)
    foreseen = "--dry-run" in words  # by one process, of as many as are asked for
    for word in rest:
        if word in LEFT_OUT and not (foreseen and words[0] == "train"):
            next(rest)
            continue
        word = WORDS.get(word, word)
        word = word.removeprefix("/") if word.startswith(("/data/", "/shared/")) else word
        kept += (sorted(glob(word)) or [word]) if "*" in word else [word]
    text = " ".join(words)
    added = next((rule.added for rule in RULES if fnmatch.fnmatch(text, rule.pattern)), "").split()
    if words[0] == "train" and "--subset" in words:
        added += ["--subset", "8"]  # of the 16 that there are
    return [*kept, *added]


def make_room(words: Sequence[str]) -> None:
    """Removes the folder of an earlier run that a new one is to have: a document shows several ways to begin it."""
    if words[0] == "train" and "--resume" not in words and "--out" in words:
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)


def furnish(folder: Path) -> None:
    """Makes what documents name, in the current directory, which is `folder`."""
    photos = folder / "my_photos"
    draw = np.random.default_rng(0)
    for index in range(16):
        image = Image.fromarray(draw.integers(0, 80, (20, 20, 3), dtype=np.uint8))
        colour = (200, 90, 40) if index % 2 else (40, 90, 200)
        ImageDraw.Draw(image).ellipse([index % 5, 2, 14, 17], fill=colour)
        place = photos / ("daisy" if index % 2 else "rose")
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{index}.png")
    shutil.make_archive("my_photos", "zip", photos)
    (folder / "data").mkdir()
    shutil.copy("my_photos.zip", folder / "data" / "photos.zip")
    shutil.copytree(photos, folder / "scans")
    shutil.copy(photos / "rose" / "0.png", "photo.png")
    Image.open("photo.png").save("photo.jpg")
    (folder / "my_grid.yaml").write_text(
        "preset: smoke\nbase: {data: {source: my_photos}, training: {batch: 32}, metrics: {names: []}}\n"
        "axes: {augment.mode: [none]}\n"
    )
    write_networks(folder / "ffhq.pkl")
    adavit.train(
        data="small_set",
        subset=40,
        val_fraction=0.2,
        kimg=0.016,
        batch=8,
        resolution=16,
        out=RUN,
        **SMALL,
    )
    for copy in COPIES:
        shutil.copytree(RUN, copy)
