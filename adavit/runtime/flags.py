"""Yes and no on a device, read by the host all at once when it needs them."""

import torch
from torch import Tensor


class LateFlags:
    """Flags that the device has computed or will compute; to look at each at once would wait for it each time."""

    def __init__(self) -> None:
        self._flags: list[Tensor] = []

    def __len__(self) -> int:
        """How many have not been read."""
        return len(self._flags)

    def append(self, flag: Tensor) -> None:
        """Adds one, bool 0-d, which stays where it is."""
        self._flags.append(flag)

    def read(self) -> list[bool]:
        """Those since the last time, in their order; waits for the device once, and not at all without any."""
        flags, self._flags = self._flags, []
        return torch.stack(flags).tolist() if flags else []
