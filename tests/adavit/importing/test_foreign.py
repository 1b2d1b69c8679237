import pytest
import torch

from adavit.importing import foreign
from adavit.importing.foreign import (
    ForeignNetwork,
    NoCounterpart,
    channels_of,
    differences,
    sides_up_to,
)
from adavit.importing.records import UnreadablePickle


@pytest.mark.parametrize(
    ("base", "most", "resolution"),
    [(32768, 512, 1024), (16384, 512, 256), (128, 8, 16), (64, 64, 32), (100, 9, 64)],
)
def test_channels_are_those_of_two_numbers(base: int, most: int, resolution: int) -> None:
    widths = {side: min(base // side, most) for side in sides_up_to(resolution)}
    found = channels_of(widths)
    again = {s: min(found["channel_base"] // s, found["channel_max"]) for s in widths}
    assert again == widths
    with pytest.raises(
        NoCounterpart, match=r"channels of 8 at 4, 5 at 8, 7 at 16 px, expected min"
    ):
        channels_of({4: 8, 8: 5, 16: 7})


def test_sides_are_doublings_of_four() -> None:
    assert sides_up_to(16) == [4, 8, 16]
    for wrong in (0, 12, 2048):
        with pytest.raises(NoCounterpart, match=f"of {wrong} px"):
            sides_up_to(wrong)


def test_other_activations_and_filters_are_refused() -> None:
    ForeignNetwork({}, {"conv1": "lrelu", "a.affine": "linear"}, ((1, 3, 3, 1),)).check(("affine",))
    with pytest.raises(
        NoCounterpart, match="its conv1 has the activation 'relu', expected 'lrelu'"
    ):
        ForeignNetwork({}, {"conv1": "relu"}).check(())
    nan, inf = float("nan"), float("inf")
    wrong = ((1.0, 2.0, 1.0), (1.0, 3.0, 3.0, 2.0), (0.0,) * 4, (nan,) * 4, (1.0, 3.0, 3.0, inf))
    for taps in wrong:
        with pytest.raises(NoCounterpart, match="resamples with the filter"):
            ForeignNetwork({}, {}, (taps,)).check(())


def test_tensors_are_exactly_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ForeignNetwork({"a": lambda: torch.ones(3), "b": lambda: torch.ones(2)})
    assert network.read(["b", "a"]).keys() == {"a", "b"}
    with pytest.raises(NoCounterpart, match="it lacks c, which"):
        network.read(["a", "b", "c"])
    with pytest.raises(NoCounterpart, match="it has b, which"):
        network.read(["a"])
    bad = ForeignNetwork({"a": lambda: torch.tensor([float("nan")])})
    with pytest.raises(UnreadablePickle, match="weights of a are not finite"):
        bad.read(["a"])
    monkeypatch.setattr(foreign, "LARGEST_NETWORK_BYTES", 16)
    with pytest.raises(UnreadablePickle, match="a network has over"):
        network.read(["a", "b"])


def test_what_is_said_of_a_network_is_checked() -> None:
    assert ForeignNetwork({}, settings={"lr_multiplier": 0.1}).rate(0.01) == 0.1
    assert ForeignNetwork({}).rate(0.01) == 0.01
    for wrong in (float("nan"), 0.0, -1.0, 1e9):
        with pytest.raises(NoCounterpart, match="lr_multiplier"):
            ForeignNetwork({}, settings={"lr_multiplier": wrong}).rate(0.01)
    assert ForeignNetwork({}, settings={"conv_clamp": 256}).clamp == 256
    assert ForeignNetwork({}, settings={"conv_clamp": None}).clamp is None
    first, second = differences(256.0, half=True)
    assert "cut features off at 256, which ours do not" in first
    assert "16 bits" in second
    assert differences(None, half=False) == ()
