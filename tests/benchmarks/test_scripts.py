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
TOY_OF_FULL_SIZE = """
from benchmarks import full_size as script
script.BATCHES[8] = 4
for name in ("resnet 8 bf16", "vit 8 float32"):
    found = script.measure(name, toy=True)
    assert min(found.values()) > 0, found
script.in_a_process = lambda name: {"images/s": 3.0 if "bf16" in name else 2.0, "MB": 1, "foreseen": 1}
print(script.line("vit", 8, 3))
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


def small(script: str, arguments: str, **constants: object) -> list[str]:
    """The words of a program that runs a script with other constants of it."""
    lines = [
        *("import sys", f"from benchmarks import {script} as script"),
        *(f"script.{name} = {value!r}" for name, value in constants.items()),
        *(f"sys.argv[1:] = {arguments.split()!r}", "script.main()"),
    ]
    return ["-c", "\n".join(lines)]


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_a_script_that_is_imported_leaves_the_root_of_the_repository_on_the_path(
    script: Path,
) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    behind = [lines[at + 1] for at, line in enumerate(lines) if line.startswith("sys.path.pop(0)")]
    assert set(behind) <= {"sys.path.insert(0, str(Path(__file__).resolve().parent.parent))"}


TINY = "--resolutions 8 --patch 2 --batch 4 --rounds 1 --width 16 --depth 1 --heads 1 --channels 4"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-c", STEPS_OF_TRAIN_SPEED], ["resnet", "vit"]),
        (["benchmarks/discriminators.py", *TINY.split(), "--parts", "readout", "form"], ["r3gan"]),
        (["-c", ROW_OF_STEP_MEMORY], ["| vit 32 | 2 |"]),
        (["-c", TOY_OF_FULL_SIZE], ["| vit | 8 | 4 | 2.00 | 3.00 | 1.50 | 1 (1) | 1 (1) |"]),
        (
            ["benchmarks/step_operations.py", "--toy", "--sizes", "16x4", "--top", "2"],
            ["| resnet, 16 px, batch 4, plain | ", "| vit, 16 px, batch 4, with R1 | "],
        ),
        (
            "benchmarks/compiled_operations.py --toy --kinds resnet --sizes 8x4 --machine-code".split(),
            [
                "| resnet, 8 px, batch 4, plain | ",
                "| resnet, 8 px, batch 4, with R1 | ",
                " compiled\n",
            ],
        ),
        (
            "benchmarks/interpreted_step.py --kinds resnet".split(),
            ["| resnet | ", "e-0"],
        ),
        (
            "benchmarks/interpreted_step.py --kinds vit".split(),
            ["| vit | ", "e-0"],
        ),
        (
            ["benchmarks/shape_speed.py", "--shapes", "12x20", "--rounds", "2"],
            ["| resnet | 12x20 | ", "| vit | 12x20 | "],
        ),
        (["-c", FOLDED], ["bins: [10, 3, 3, 3, 2, 8]"]),
        (
            ["benchmarks/augment.py", "--quick", "--names", "noise", "--device", "cpu"],
            [" noise    ours ", " noise    textbook ", " noise    kornia "],
        ),
        (["benchmarks/inception.py", "--images", "2", "--pairs", "1"], ["median ratio "]),
        (
            small("near_copies", "small_set", IMAGES=60, COPIES=10),
            ["small_set: 60 images", "| mirrored | 10 | 10 |", "| pairs of its own | "],
        ),
        (
            small("framed_shapes", "small_set", IMAGES=24),
            ["| png | crop | 14 | ", "| jpg | pad | 18 | "],
        ),
        (
            small("spoilt_set", "small_set", IMAGES=160),
            ["| exact copies | 12 | 12 |", "| broken, cut off, empty | 6 | 6 | 0 |"],
        ),
        (
            small("drawn_extractor", "", COUNT=100),
            ["| fresh drawings | ", " (1.0) | ", "| no cats | "],
        ),
        (
            [
                "benchmarks/leak_recovery.py",
                "--operations",
                "hue",
                "--resolution",
                "16",
                "--device",
                "cpu",
            ],
            ["| hue | ", "of 4 intervals"],
        ),
        (
            small("first_step", "--rounds 1", ROWS={"no metrics": ["--metrics", "none"]}),
            ["\nno metrics ", "medians and least of 1;"],
        ),
        (
            "benchmarks/kill_and_resume.py --kills 1 --longest 4 --kimg 1".split(),
            ["kill  1 after ", "the same bits"],
        ),
    ],
    ids=[
        "train_speed",
        "discriminators",
        "step_memory",
        "full_size",
        "step_operations",
        "compiled_operations",
        "interpreted_step",
        "interpreted_step, vit",
        "shape_speed",
        "train_drawn",
        "augment",
        "inception",
        "near_copies",
        "framed_shapes",
        "spoilt_set",
        "drawn_extractor",
        "leak_recovery",
        "first_step",
        "kill_and_resume",
    ],
)
def test_it_measures(arguments: list[str], words: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert all(word in ended.stdout for word in words)
