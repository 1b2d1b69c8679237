"""Out of memory on the device: one line, exit code 1, and what was written is good."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from adavit.data import BatchSampler
from adavit.data.image_set import ImageSet
from tests.adavit.conftest import draw_pictures
from tests.gpu.commands import named, run, succeed, within

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[2]
TINY = "--preset smoke --batch 8 --kimg 0.016 --fakes 20".split()
LARGE = "--resolution 64 --batch 64 --kimg 1 --extractor random --fakes 20".split()
WIDE = "--set generator.channel_base=16384 --set generator.channel_max=256".split()


@pytest.fixture(autouse=True)
def accelerator(device: torch.device) -> None:
    if device.type == "cpu":
        pytest.skip("only an accelerator's memory can be limited")


@contextmanager
def limited(device: torch.device, megabytes: float) -> Iterator[None]:
    """Lets this process take no more than that beyond what it holds."""
    memory = torch.get_device_module(device)
    total = memory.get_device_properties(0).total_memory
    gc.collect()
    memory.empty_cache()
    held = memory.memory_reserved(0)
    memory.set_per_process_memory_fraction((held + megabytes * 2**20) / total, 0)
    try:
        yield
    finally:
        memory.set_per_process_memory_fraction(1.0, 0)
        memory.empty_cache()


@contextmanager
def exhausted(device: torch.device) -> Iterator[None]:
    """Leaves nothing: gaps in what torch holds already are taken too."""
    with limited(device, 0):
        taken = []
        for exponent in range(24, 8, -1):
            try:
                while True:
                    taken.append(torch.empty(2**exponent, dtype=torch.uint8, device=device))
            except torch.OutOfMemoryError:
                continue
        yield
        del taken


@pytest.fixture(scope="module")
def folder(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and a run of two steps."""
    folder = tmp_path_factory.mktemp("memory")
    draw_pictures(folder / "pictures")
    with within(folder):
        succeed(
            *("train", "--data", "pictures", *TINY, "--device", named(device), "--out", "run"),
        )
    return folder


def check_line(code: int, text: str) -> None:
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert code == 1, text
    assert len(errors) == 1, text
    assert "out of memory" in errors[0]
    assert "Traceback" not in text


def test_of_a_program(folder: Path, device: torch.device) -> None:
    if device.type != "cuda":
        pytest.skip("another process does not have the stand-in")
    script = (
        "import sys, torch\n"
        "total = torch.cuda.get_device_properties(0).total_memory\n"
        "torch.cuda.set_per_process_memory_fraction(400 * 2**20 / total)\n"
        "from adavit.cli.main import main\n"
        "main()\n"
    )
    words = ["train", "--data", str(folder / "pictures"), "--out", "large", *LARGE, *WIDE]
    ended = subprocess.run(
        [sys.executable, "-c", script, *words, "--device", "cuda"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=90,
    )
    check_line(ended.returncode, ended.stdout + ended.stderr)


def test_of_the_networks(folder: Path, device: torch.device) -> None:
    with limited(device, 4):
        ended = run(
            *("train", "--data", folder / "pictures", "--out", "large", "--device", named(device)),
            *(*LARGE, *WIDE),
        )
    check_line(ended.code, ended.text)


def test_of_a_step_is_met_with_smaller_slices(folder: Path, device: torch.device) -> None:
    with limited(device, 60):
        ended = run(
            *("train", "--data", folder / "pictures", "--out", "cut", "--device", named(device)),
            *("--preset", "smoke", "--resolution", "32", "--batch", "256", "--kimg", "0.256"),
            *("--metrics", "none", "--precision", "float32"),
        )
    assert ended.code == 0, ended.text
    assert "Out of memory at 0 kimg with 256 images at a time" in ended.text
    stored = yaml.safe_load(Path("cut/config.yaml").read_text())
    assert stored["training"]["microbatch"] < 256


def test_of_a_run_that_goes_on(folder: Path, device: torch.device) -> None:
    before = (folder / "run/checkpoint.pt").read_bytes()
    with exhausted(device):
        ended = run(
            "train", "--resume", folder / "run", "--kimg", "0.032", "--device", named(device)
        )
    check_line(ended.code, ended.text)
    assert (folder / "run/checkpoint.pt").read_bytes() == before
    assert "start a new run" not in ended.text


@pytest.mark.parametrize(
    "command",
    ["generate RUN --seeds 0-3 --out drawn", "evaluate RUN --extractor random --fakes 20"],
    ids=["generate", "evaluate"],
)
def test_of_other_commands(folder: Path, device: torch.device, command: str) -> None:
    words = [str(folder / "run") if word == "RUN" else word for word in command.split()]
    with exhausted(device):
        ended = run(*words, "--device", named(device))
    check_line(ended.code, ended.text)


def test_images_that_do_not_fit_are_read_from_the_disk(device: torch.device) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (400, 3, 128, 128), np.uint8)
    image_set = ImageSet("drawn", pixels, None, (), "", (), "", ())
    with limited(device, 10):
        sampler, expected = (
            BatchSampler(image_set, np.arange(400), seed=0, purpose="data", device=where)
            for where in (device, torch.device("cpu"))
        )
        assert sampler._resident is None
        images, _ = sampler.batch(0, 4)
    assert images.device.type == device.type
    # A device may multiply by the inverse of what a CPU divides by.
    torch.testing.assert_close(images.cpu(), expected.batch(0, 4)[0], rtol=0, atol=1e-6)
