import torch

from adavit.training.start.live_bytes import LiveBytes


def test_live_bytes_are_those_of_tensors_that_someone_holds() -> None:
    there = torch.empty(10, device="meta")
    with LiveBytes([there]) as live:
        made = torch.ones(100, device="meta")
        view = made[:50].view(5, 10)
        made.mul_(2)
        assert (live.now, live.peak) == (440, 440)
        doubled = made.double()
        assert live.now == 440 + 800
        del doubled, made
        assert live.now == 440  # the view holds it
        del view, there
        assert (live.now, live.peak) == (0, 1240)
