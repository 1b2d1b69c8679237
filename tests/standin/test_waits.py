"""Where a training step has the host wait for the device, and why it may."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from adavit.training.trainer import Trainer
from tests.adavit.conftest import draw_pictures
from tests.gpu.commands import named, succeed
from tests.standin.device import Wait, Waits

pytestmark = pytest.mark.gpu

BATCH, BEFORE, COUNTED = 8, 16, 16
"""Images of a step; steps in which what is kept on the device comes there; and steps that are counted, a whole cycle of
all intervals."""
COMMON = "--preset smoke --fakes 20 --val-fraction 0.25 --aug fixed --p 0.5"
RESNET = "kind=resnet channel_base=64 channel_max=8"
RUNS = {
    "vit": "--cond --mirror",
    "resnet": " ".join(f"--set discriminator.{key}" for key in RESNET.split())
    + " --set training.path_length=2 --set generator.channel_max=8",
    "all terms": "--augment bgcfnc --set training.bcr_real=1 --set training.lecam=0.3"
    " --set training.zcr_discriminator=0.2 --set training.zcr_generator=0.02"
    " --set training.apa_p_max=0.8 --set training.masked_patch_weight=0.3"
    " --set training.top_k=0.5 --set training.style_mixing=0.9",
}
ALLOWED: dict[str, tuple[float, str]] = {
    "adavit/data/sampling.py": (0.5, "the order of an epoch comes whole; here it lasts six steps"),
    "adavit/augment/statistics.py": (0.5, "p moves every four steps by what the host reads then"),
}
"""By file, the most waits of a step, and why."""


@contextmanager
def waits_of_steps() -> Iterator[Counter[Wait]]:
    """Fills itself with those of the steps after the first `BEFORE` of the runs in its context."""
    found: Counter[Wait] = Counter()
    step, made = Trainer.train_on_one_batch, iter(range(BEFORE + COUNTED))

    def counted(trainer: Trainer) -> None:
        with Waits() as waits:
            step(trainer)
        if next(made) >= BEFORE:
            found.update(waits.places)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_on_one_batch", counted)
        yield found
    assert next(made, None) is None  # the run was as long as that


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_a_step_waits_where_it_may(device: torch.device, words: str) -> None:
    draw_pictures(Path("pictures"))
    kimg = (BEFORE + COUNTED) * BATCH / 1000
    with waits_of_steps() as found:
        succeed(
            *("train", "--data", "pictures", "--out", "run", "--device", named(device)),
            *("--batch", BATCH, "--kimg", kimg, *COMMON.split(), *words.split()),
        )
    by_file: Counter[str] = Counter()
    for wait, count in found.items():
        by_file[wait.file] += count
    over = {
        wait: count / COUNTED
        for wait, count in found.items()
        if by_file[wait.file] / COUNTED > ALLOWED.get(wait.file, (0, ""))[0]
    }
    assert not over, f"{over}: let it stay on the device, or say in ALLOWED why it cannot"
