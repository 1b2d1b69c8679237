import math

import pytest
import torch

from adavit.augment import OverfittingStatistics

POSITIVE, NEGATIVE = torch.full((8,), 2.0), torch.full((8,), -1.0)


def test_statistics_follow_their_definitions() -> None:
    train = [torch.tensor([1.0, -2.0, 0.0, 3.0]), torch.tensor([0.5, -1.0])]
    generated = [torch.tensor([-1.0, 0.5, 0.0, -2.0]), torch.tensor([-0.5, 4.0])]
    heldout = torch.tensor([0.25, -0.75, 1.0])
    statistics = OverfittingStatistics()
    statistics.observe(train=train[0], generated=generated[0], heldout=heldout)
    statistics.observe(train=train[1].view(2, 1), generated=generated[1])
    all_train, all_generated = torch.cat(train), torch.cat(generated)
    assert statistics.r_t == pytest.approx(all_train.sign().mean().item())
    assert statistics.mean_train == pytest.approx(all_train.mean().item())
    assert statistics.mean_generated == pytest.approx(all_generated.mean().item())
    assert statistics.mean_heldout == pytest.approx(heldout.mean().item())
    expected = (all_train.mean() - heldout.mean()) / (all_train.mean() - all_generated.mean())
    assert statistics.r_v == pytest.approx(expected.item())
    signs = [
        (float(a > b) - float(a < b))
        for own, other in zip(train, generated, strict=True)
        for a in own
        for b in other
    ]
    assert statistics.r_relative == pytest.approx(sum(signs) / len(signs))
    values = statistics.values()
    assert (values["train_count"], values["generated_count"]) == (6, 6)


def test_sign_of_zero_is_zero() -> None:
    statistics = OverfittingStatistics()
    statistics.observe(train=torch.zeros(4), generated=torch.zeros(4))
    assert statistics.r_t == 0
    assert statistics.r_relative == 0


def test_nothing_observed_is_undefined_everywhere() -> None:
    values = OverfittingStatistics().values()
    assert (values.pop("train_count"), values.pop("generated_count")) == (0, 0)
    assert all(math.isnan(value) for value in values.values())


def test_denominator_of_r_v_is_guarded() -> None:
    statistics = OverfittingStatistics()
    statistics.observe(train=torch.zeros(2), generated=torch.ones(2), heldout=-torch.ones(2))
    assert statistics.r_v == pytest.approx(1 / 1e-8)


def test_r_v_does_not_change_with_a_shift_of_all_logits() -> None:
    found = []
    for shift in (0.0, 5.0):
        statistics = OverfittingStatistics()
        logits = [POSITIVE + shift, NEGATIVE + shift, 0.5 * POSITIVE + shift]
        statistics.observe(train=logits[0], generated=logits[1], heldout=logits[2])
        found.append((statistics.r_v, statistics.r_relative))
    assert found[0] == pytest.approx(found[1])


def test_merged_or_summed_statistics_equal_those_of_all_logits() -> None:
    parts = [torch.randn(3, 6, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    both, merged = OverfittingStatistics(), OverfittingStatistics()
    summed = torch.zeros(9, dtype=torch.float64)
    for part in parts:
        own = OverfittingStatistics()
        own.observe(train=part[0], generated=part[1], heldout=part[2])
        both.observe(train=part[0], generated=part[1], heldout=part[2])
        merged.merge(own)
        summed += own.sums
    torch.testing.assert_close(merged.sums, both.sums)
    assert merged.values() == pytest.approx(both.values())
    torch.testing.assert_close(summed, both.sums)


def test_logits_in_half_precision_are_summed_in_double() -> None:
    statistics = OverfittingStatistics()
    for _ in range(3):
        statistics.observe(train=torch.full((5000,), 1.0).bfloat16(), generated=-POSITIVE)
    assert statistics.mean_train == 1
    assert not statistics.sums.requires_grad


def test_sums_are_saved_and_restored_and_nothing_else_is_taken_for_them() -> None:
    statistics, other = OverfittingStatistics(), OverfittingStatistics()
    statistics.observe(train=POSITIVE, generated=NEGATIVE, heldout=0.5 * POSITIVE)
    state = statistics.state_dict()
    other.load_state_dict(state)
    assert other.values() == statistics.values()
    statistics.reset()
    assert torch.equal(other.sums, state["sums"])  # neither shares memory with the other
    for wrong in ({}, {"sums": torch.zeros(8)}, {"sums": [0.0] * 9}):
        with pytest.raises(ValueError, match="but must be 9 numbers"):
            other.load_state_dict(wrong)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_logits_that_are_not_finite_leave_their_statistics_undefined(bad: float) -> None:
    statistics = OverfittingStatistics()
    statistics.observe(train=torch.tensor([1.0, bad]), generated=NEGATIVE, heldout=NEGATIVE)
    assert math.isnan(statistics.r_t)
    assert math.isnan(statistics.r_relative)
    assert not math.isfinite(statistics.r_v)
    assert statistics.mean_heldout == -1


@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_counted_is_as_if_it_were_not_there(seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    train, generated, heldout = torch.randn(3, 9, generator=stream)
    counted = torch.rand(9, generator=stream) < 0.6
    found, expected = OverfittingStatistics(), OverfittingStatistics()
    expected.observe(train=train[counted], generated=generated, heldout=heldout)
    spoilt = torch.where(counted, train, torch.nan)
    found.observe(train=spoilt, generated=generated, heldout=heldout, counted=counted)
    torch.testing.assert_close(found.sums, expected.sums, rtol=1e-12, atol=1e-12)
    nothing = torch.full((9,), torch.nan)
    before = found.sums.clone()
    found.observe(train=nothing, generated=nothing, heldout=nothing, made=torch.tensor(False))
    assert torch.equal(found.sums, before)
    found.observe(train=train, generated=generated, counted=counted | True, made=torch.tensor(True))
    whole = OverfittingStatistics()
    whole.observe(train=train, generated=generated)
    assert torch.equal(found.sums, before + whole.sums)  # to the bit where all of it counts
