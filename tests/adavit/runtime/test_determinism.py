"""Deterministic algorithms are on while they are wanted, and off again afterwards."""

import os

import pytest
import torch
from torch.utils import deterministic as fills

from adavit.runtime.determinism import in_fixed_order


def test_it_is_on_within_and_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    filled = fills.fill_uninitialized_memory
    with in_fixed_order(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not fills.fill_uninitialized_memory
        assert not torch._C._is_multithreading_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch._C._is_multithreading_enabled()
    assert fills.fill_uninitialized_memory == filled


def test_workspaces_that_the_user_chose_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with in_fixed_order(True):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_unwanted_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with in_fixed_order(False):
        assert not torch.are_deterministic_algorithms_enabled()
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
