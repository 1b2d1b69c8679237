import torch

from adavit.training.passes.step_result import StepResult

LOGITS = torch.tensor([1.0, -3.0, 8.0, 0.5])


def result(*, finite: bool = True, is_training: list[bool] | None = None) -> StepResult:
    mask = None if is_training is None else torch.tensor(is_training)
    return StepResult(torch.tensor(finite), LOGITS, -LOGITS, {}, mask)


def test_means_are_over_training_images() -> None:
    assert result().training_mean(LOGITS) == LOGITS.mean()
    some = result(is_training=[True, False, False, True])
    assert some.training_mean(LOGITS) == 0.75
    assert some.training_mean(LOGITS.sign()) == 1
    assert result(is_training=[True] * 4).training_mean(LOGITS) == LOGITS.mean()
    assert result(is_training=[False] * 4).training_mean(LOGITS).isnan()
    # What is left out may be anything.
    spoilt = torch.where(LOGITS < 0, torch.nan, LOGITS)
    assert result(is_training=[True, False, False, True]).training_mean(spoilt) == 0.75


def test_a_step_says_something_if_it_was_made_and_saw_a_training_image() -> None:
    some, none = [False, False, True, False], [False] * 4
    assert result().says_something
    assert result(is_training=some).says_something
    assert not result(is_training=none).says_something
    assert not result(finite=False).says_something
    assert not result(finite=False, is_training=some).says_something


def test_verdicts_are_what_statistics_are_told() -> None:
    told = result(finite=False, is_training=[True] * 4)
    assert told.verdicts["train"] is LOGITS
    assert told.verdicts["generated"] is told.generated_logits
    assert told.verdicts["counted"] is told.is_training
    assert told.verdicts["made"] is told.finite
