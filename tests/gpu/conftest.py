"""The device that these tests run on, and a folder for each of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu.shared_draws import share_draws
from tests.small_weights import write_mobilenet
from tests.standin import device as standin


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> Iterator[torch.device]:
    """CUDA, or what ADAVIT_TEST_DEVICE names: on `cpu` the tests try themselves, `standin` is strict like CUDA."""
    name = os.environ.get("ADAVIT_TEST_DEVICE", "cuda")
    if name == standin.NAME:
        with standin.as_cuda(standin.folder(pytestconfig)):
            yield torch.device(name)
        return
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, or one that ADAVIT_TEST_DEVICE names")
    yield torch.device(name)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def convolutional(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_mobilenet(tmp_path_factory.mktemp("weights") / "mobile.pth")


@pytest.fixture
def float32() -> Iterator[None]:
    """Whole float32, as on a CPU: TF32 keeps 10 bits of a factor."""
    # No monkeypatch, which looks for what properties of torch's backends have not.
    kinds: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds:
        kind.fp32_precision = "ieee"
    yield
    for kind, value in zip(kinds, before, strict=True):
        kind.fp32_precision = value


@pytest.fixture
def same_draws() -> Iterator[None]:
    """Every device draws the CPU's numbers."""
    with pytest.MonkeyPatch.context() as patch:
        share_draws(patch)
        yield
