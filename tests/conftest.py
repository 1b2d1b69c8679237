"""Settings of all tests."""

import os

# The tensors of tests are so small that a second thread costs more than it brings, the more so where tests run
# side by side. Programs that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)
