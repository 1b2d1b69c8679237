"""Where a training step has the host wait for the device, and why it may."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.pretraining.loop import PretrainingLoop
from adavit.training.trainer import Trainer
from tests.adavit.conftest import draw_pictures
from tests.gpu.commands import named, succeed
from tests.standin.device import Wait, Waits

pytestmark = pytest.mark.gpu

BATCH, BEFORE, COUNTED = 8, 16, 16
"""Images of a step; steps in which what is kept on the device comes there; and steps that are counted, a whole cycle of
all intervals."""
COMMON = "--preset smoke --fakes 20 --val-fraction 0.25"
FIXED = "--aug fixed --p 0.5 "
RESNET = " ".join(
    f"--set discriminator.{key}" for key in "kind=resnet channel_base=64 channel_max=8".split()
)
ORDER, READ = "adavit/data/sampling.py", "adavit/augment/statistics.py"
"""The order of an epoch comes to the device whole; p moves every four steps by what the host reads then."""

EPOCHS, OF_FLIPS, OF_FEW = 3 + 4, 1 + 4, 3 + 1
"""That begin in the steps counted: of 48 images that are trained on (96 with their flips), and of 12 held out, of which
every fourth step takes eight, the only ones of an epoch, or a microbatch of four."""

RUNS: dict[str, tuple[str, dict[str, int]]] = {
    "vit": (FIXED + "--cond --mirror", {ORDER: OF_FLIPS, READ: 4}),
    "resnet": (
        FIXED + RESNET + " --set training.path_length=2 --set generator.channel_max=8",
        {ORDER: EPOCHS, READ: 4},
    ),
    "all terms": (
        FIXED + "--augment bgcfnc --set training.bcr_real=1 --set training.lecam=0.3"
        " --set training.zcr_discriminator=0.2 --set training.zcr_generator=0.02"
        " --set training.apa_p_max=0.8 --set training.masked_patch_weight=0.3"
        " --set training.top_k=0.5 --set training.style_mixing=0.9",
        {ORDER: EPOCHS, READ: 4 + 4},  # the second for the p of APA
    ),
    "adaptive, bf16, microbatches": (
        "--precision bf16 --microbatch 4 --set training.lecam=0.3",
        {ORDER: OF_FEW, READ: 4},
    ),
    "relativistic, features": (
        RESNET + " --set training.loss=relativistic --features NETWORK --set features.width=8",
        {ORDER: EPOCHS, READ: 4},
    ),
}
"""Options, and by file what is waited for in all steps counted."""


@contextmanager
def waits_of_steps(loop: type[Any], name: str) -> Iterator[Counter[Wait]]:
    """Fills itself with those of the steps after the first `BEFORE` of the run in its context.

    Args:
        loop: That trains.
        name: Of its method that takes a step.
    """
    found: Counter[Wait] = Counter()
    step, made = getattr(loop, name), iter(range(BEFORE + COUNTED))

    def counted(trainer: Any) -> None:
        with Waits() as waits:
            step(trainer)
        if next(made) >= BEFORE:
            found.update(waits.places)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, name, counted)
        yield found
    assert next(made, None) is None  # the run was as long as that


def run_of(command: str, device: torch.device, *words: object) -> tuple[object, ...]:
    """A run of as many steps, of sixty pictures."""
    draw_pictures(Path("pictures"))
    kimg = (BEFORE + COUNTED) * BATCH / 1000
    data = ("--data", "pictures", "--out", "run", "--device", named(device))
    return (command, *data, "--batch", BATCH, "--kimg", kimg, *words)


@pytest.mark.parametrize(("words", "due"), RUNS.values(), ids=RUNS)
def test_a_step_waits_for_what_is_due_and_for_nothing_else(
    device: torch.device, convolutional: str, words: str, due: dict[str, int]
) -> None:
    words = f"{COMMON} {words}".replace("NETWORK", convolutional)
    with waits_of_steps(Trainer, "train_on_one_batch") as found:
        succeed(*run_of("train", device, *words.split()))
    by_file: Counter[str] = Counter()
    for wait, count in found.items():
        by_file[wait.file] += count
    assert by_file == due, f"{found}: let it stay on the device, or say in RUNS why it cannot"


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_of_pretraining_waits_for_the_order_of_an_epoch_alone(
    device: torch.device, precision: str
) -> None:
    sizes = "--set discriminator.width=16 --set discriminator.heads=2 --set discriminator.depth=1"
    words = f"--set pretraining.precision={precision} --val-fraction 0.25 {sizes}".split()
    with waits_of_steps(PretrainingLoop, "_train_on_one_batch") as found:
        succeed(*run_of("pretrain", device, *words))
    assert {wait.file: count for wait, count in found.items()} == {ORDER: 3}
