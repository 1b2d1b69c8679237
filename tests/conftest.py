"""Settings of all tests."""

import os
from pathlib import Path

# The tensors of tests are so small that a second thread costs more than it brings, the more so where tests run
# side by side. Programs that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

import torch

from adavit.runtime import processor

# What is chosen for a CPU, the precision above all, is that for an unknown one on every machine. Tests of what others
# get name one. Programs that tests start see the machine's own, so theirs hold in float32 and in bfloat16.
processor.CPUINFO = Path(os.devnull)

torch.set_num_threads(1)

if not torch.cuda.is_available():
    # Tensors without content, and the compiler by them, would pretend a CUDA device, and autograd start a thread for
    # it: then no test of the same process could fork any more. None of them asks for that device.
    torch._C._ensureCUDADeviceGuardSet = lambda: None
