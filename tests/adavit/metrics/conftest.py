"""Inception with random weights: the real file is not ours to ship and cannot be had offline."""

from pathlib import Path

import pytest
import torch

from adavit.metrics.extractors.inception import expected_state


@pytest.fixture(scope="session")
def inception_state() -> dict[str, torch.Tensor]:
    """A state dict of the right names and shapes; He-scaled, so that features stay alive."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in expected_state().items():
        if tensor.ndim >= 2:
            drawn = torch.randn(tensor.shape, generator=generator)
            state[name] = drawn * (2 / tensor[0].numel()) ** 0.5
        elif name.endswith(("bn.weight", "running_var")):
            state[name] = torch.ones(tensor.shape)
        else:
            state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
    return state


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
