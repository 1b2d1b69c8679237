from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import train_drawn


def test_a_network_of_other_drawings_is_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, float]] = []

    def train(images: np.ndarray, labels: torch.Tensor, epochs: float) -> train_drawn.Classifier:
        asked.append((len(images), epochs))
        return train_drawn.Classifier()

    monkeypatch.setattr(train_drawn, "train", train)
    for drawings, epochs in ((2, 1.0), (2, 1.0), (3, 1.0), (3, 0.5)):
        train_drawn.trained(
            tmp_path, np.zeros((drawings, 32, 32, 3)), torch.zeros(drawings), epochs
        )
    assert asked == [(2, 1.0), (3, 1.0), (3, 0.5)]
