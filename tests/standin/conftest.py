"""The fixtures of `tests.gpu`, on the stand-in."""

import os

from tests.gpu.conftest import convolutional, device, own_folder
from tests.standin.device import NAME

__all__ = ["convolutional", "device", "own_folder"]

# They need a process that has the device, which `tests.standin.process` starts.
ON_THE_DEVICE = [
    *("test_full_size.py", "test_strictness.py", "test_unequal_devices.py", "test_vanishing.py"),
    "test_waits.py",
]
collect_ignore = [] if os.environ.get("ADAVIT_TEST_DEVICE") == NAME else ON_THE_DEVICE
