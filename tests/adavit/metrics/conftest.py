"""Inception with random weights: the real file is not ours to ship and cannot be had offline."""

from pathlib import Path

import pytest
import torch

from benchmarks.random_inception import random_inception


@pytest.fixture(scope="session")
def inception_state() -> dict[str, torch.Tensor]:
    return random_inception()


@pytest.fixture(scope="session")
def inception_file(
    inception_state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The state dict as a user would give it as Inception's weights."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(inception_state, path)
    return path


@pytest.fixture
def empty_torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TORCH_HOME without any weights; returns the folder where torch-fidelity would keep them."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"
