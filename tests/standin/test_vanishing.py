"""A device that vanishes while a run trains: from then on everything that is asked of it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from adavit.training.trainer import Trainer
from tests.adavit.conftest import draw_pictures
from tests.gpu.commands import apart, named, run, succeed

pytestmark = pytest.mark.gpu

WORDS = "--preset smoke --batch 8 --metrics none --set run.checkpoint_every_kimg=0.016".split()


@contextmanager
def vanishing(steps: int) -> Iterator[None]:
    """After so many steps of runs it is gone, and it comes back at the end."""
    step, taken = Trainer.train_on_one_batch, iter(range(steps))

    def train_on_one_batch(trainer: Trainer) -> None:
        if next(taken, None) is None:
            torch.ops.standin.vanish(True)
        step(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_on_one_batch", train_on_one_batch)
        try:
            yield
        finally:
            torch.ops.standin.vanish(False)


def test_a_run_says_so_in_a_line_and_goes_on_to_the_same_bits(device: torch.device) -> None:
    draw_pictures(Path("pictures"))
    words = ("train", "--data", "pictures", *WORDS, "--device", named(device), "--kimg", "0.048")
    succeed(*words, "--out", "whole")
    with vanishing(steps=3):
        ended = run(*words, "--out", "lost")
    assert ended.code == 1, ended.text
    (line,) = [line for line in ended.text.splitlines() if line.startswith("Error: ")]
    assert (
        "failed (CUDA error: unknown error), expected it to work. lost/checkpoint.pt, of 0.016"
        in line
    )
    assert line.endswith("Go on with: adavit train --resume lost")
    assert "Traceback" not in ended.text
    assert "device failed" in Path("lost/ending.json").read_text()
    succeed("train", "--resume", "lost", "--device", named(device))
    assert all(not apart(Path("lost"), Path("whole"), part) for part in ("generator", "average"))


def test_other_commands_say_so_too(device: torch.device) -> None:
    draw_pictures(Path("pictures"))
    succeed("train", "--data", "pictures", *WORDS, "--kimg", "0.008", "--out", "run")
    torch.ops.standin.vanish(True)
    try:
        ended = run("generate", "run", "--seeds", "0", "--out", "drawn", "--device", named(device))
    finally:
        torch.ops.standin.vanish(False)
    assert ended.code == 1, ended.text
    assert ended.text.splitlines()[-1].startswith("Error: the device failed (CUDA error: unknown")
    assert "Traceback" not in ended.text
