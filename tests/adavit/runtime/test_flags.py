import torch

from adavit.runtime.flags import LateFlags


def test_flags_are_read_in_their_order_and_once() -> None:
    flags = LateFlags()
    assert flags.read() == []
    for value in (1, 0, 0, 1):
        flags.append(torch.tensor(value) == 1)
    assert len(flags) == 4
    assert flags.read() == [True, False, False, True]
    assert len(flags) == 0
    flags.append(torch.tensor(False))
    assert flags.read() == [False]
