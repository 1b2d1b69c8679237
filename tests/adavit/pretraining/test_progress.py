import pytest
import torch

from adavit.pretraining.progress import PretrainingProgress


def test_it_is_measured_at_once_then_past_each_multiple_and_at_the_end() -> None:
    progress, measured = PretrainingProgress(), []
    for _ in range(9):
        if progress.is_due(20.0, ended=progress.images == 64):
            measured.append(progress.images)
            progress.measured({})
            assert not progress.is_due(20.0, ended=True)
        progress.stepped(8, torch.tensor(1.0))
    assert measured == [0, 24, 40, 64]


def test_the_training_loss_is_the_mean_since_the_last_measurement_whatever_was_saved_between() -> (
    None
):
    progress = PretrainingProgress()
    progress.measured({"loss": 3.0})
    assert progress.figures == {"images": 0, "loss": 3.0, "training_loss": None}
    for loss in (0.1, 0.2, 0.7):
        progress.stepped(8, torch.tensor(loss))
        state, progress = progress.state_dict(), PretrainingProgress()
        progress.load_state_dict(state)
    progress.measured({"loss": 2.0})
    expected = float(torch.tensor([0.1, 0.2, 0.7]).mean())
    assert progress.figures == {"images": 24, "loss": 2.0, "training_loss": expected}


@pytest.mark.parametrize("name", ["images", "measured_at", "figures", "losses"])
def test_what_is_of_another_kind_is_refused(name: str) -> None:
    state = PretrainingProgress().state_dict() | {name: "x"}
    with pytest.raises(ValueError, match=f"{name} is 'x'"):
        PretrainingProgress().load_state_dict(state)
