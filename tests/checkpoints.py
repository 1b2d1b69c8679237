"""Checkpoints for tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adavit.runs.generations import save_newest


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replaces a checkpoint, and those before it in its folder."""
    save_newest(path, state, keep=1)


def undo_training(run: Path) -> None:
    """Makes a run what a kill before its first checkpoint leaves: its settings, and nothing that it has come to."""
    for pattern in ("checkpoint*.pt", "generator*.safetensors", "*.jsonl"):
        for path in run.glob(pattern):
            path.unlink()
