"""The scripts still fit the networks that they measure: one small call of each that builds its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS_OF_TRAIN_SPEED = """
import argparse, torch
from benchmarks.train_speed import Row, build, measure
sizes, device = argparse.Namespace(resolution=8, channels=4, batch=4), torch.device("cpu")
for kind in ("resnet", "vit"):
    print(kind, measure(build(Row(kind, "float32", True, 16), sizes, device), sizes, device))
"""
ROW_OF_STEP_MEMORY = """
import sys
from benchmarks import step_memory as script
script.ROWS["vit 32"]["training"]["batch"] = 2
sys.argv[1:] = ["--row", "vit 32"]
script.main()
"""
FOLDED = """
import torch
from adavit.data.small_set.images import draw_batch
from adavit.metrics.extractors.drawn_features import DrawnFeatures
from benchmarks import train_drawn as script
images, placed = script.draw(400, seed=7)
assert (images[4::10][20:] == draw_batch(4, 1, seed=7)).all()
labels = script.truth(images, placed)
network = script.train(images, labels, epochs=4)
state = {name: each.double() for name, each in script.folded(network, images).items()}
pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
found = DrawnFeatures(state, "")(pixels)
with torch.no_grad():
    raw = network(pixels.float() / 127.5 - 1)
expected = (raw - raw.mean(dim=0)) / raw.var(dim=0).mean().sqrt()
assert (found - expected).abs().max() < 0.1, (found - expected).abs().max()  # of float16
print("bins:", [len(bins.unique()) for bins in labels.T])
"""
TINY = "--resolutions 8 --patch 2 --batch 4 --rounds 1 --width 16 --depth 1 --heads 1 --channels 4"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-c", STEPS_OF_TRAIN_SPEED], ["resnet", "vit"]),
        (["benchmarks/discriminators.py", *TINY.split(), "--parts", "readout", "form"], ["r3gan"]),
        (["-c", ROW_OF_STEP_MEMORY], ["| vit 32 | 2 |"]),
        (
            ["benchmarks/step_operations.py", "--toy", "--sizes", "16x4", "--top", "2"],
            ["| resnet, 16 px, batch 4, plain | ", "| vit, 16 px, batch 4, with R1 | "],
        ),
        (
            ["benchmarks/compiled_operations.py", "--toy", "--kinds", "resnet", "--sizes", "16x4"],
            ["| resnet, 16 px, batch 4, plain | ", "| resnet, 16 px, batch 4, with R1 | "],
        ),
        (
            ["benchmarks/shape_speed.py", "--shapes", "12x20", "--rounds", "2"],
            ["| resnet | 12x20 | ", "| vit | 12x20 | "],
        ),
        (["-c", FOLDED], ["bins: [10, 3, 3, 3, 2, 8]"]),
    ],
    ids=[
        "train_speed",
        "discriminators",
        "step_memory",
        "step_operations",
        "compiled_operations",
        "shape_speed",
        "train_drawn",
    ],
)
def test_it_measures(arguments: list[str], words: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert all(word in ended.stdout for word in words)
