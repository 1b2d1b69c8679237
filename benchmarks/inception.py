"""Speed of Inception's features: ours beside torch-fidelity at its defaults.

    python benchmarks/inception.py [--images 64] [--side 32] [--pairs 5] [--weights FILE] [--device cuda]

Both sides compute the 2048 features of the same images, in turns, so that a busy machine slows both:
torch-fidelity by `get_featuresdict_from_dataset` with batches of 64 as `calculate_metrics` calls it,
ours by `extract_features` with the batch and memory layout of `InceptionFeatures`. The ratio of each
pair is printed, and their median; the speed does not depend on the weights, which are random unless
--weights names a file. The largest difference of the features is printed too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_fidelity.defaults import DEFAULTS
from torch_fidelity.utils import get_featuresdict_from_dataset

from adavit.metrics.extractors.extractor import array_batches, extract_features
from adavit.metrics.extractors.fidelity import build_network
from adavit.metrics.extractors.inception import (
    INCEPTION_WEIGHTS,
    LAYER,
    NETWORK,
    InceptionFeatures,
    expected_state,
)
from benchmarks.measuring import print_header
from benchmarks.random_inception import random_inception


class Images(Dataset):
    """Images as torch-fidelity takes them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def main() -> None:
    """Print a line per pair and the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64, help="images per turn")
    parser.add_argument("--side", type=int, default=32, help="their side in pixels")
    parser.add_argument("--pairs", type=int, default=5, help="turns of each side")
    parser.add_argument("--weights", type=Path, help="Inception's weights as a file")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    state = random_inception()
    if options.weights is not None:
        state = INCEPTION_WEIGHTS.read(options.weights, expected_state())
    generator = torch.Generator().manual_seed(0)
    shape = (options.images, 3, options.side, options.side)
    images = torch.randint(0, 256, shape, generator=generator).to(torch.uint8)
    ours = InceptionFeatures(state, "0" * 64, options.device)
    theirs = build_network(NETWORK, LAYER, state).to(options.device)
    cuda = options.device == "cuda"

    def run_ours() -> Tensor:
        return extract_features(ours, array_batches(images.numpy(), ours.batch))

    def run_theirs() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the number of its worker processes
            # In this process: starting workers would cost it seconds that are not Inception's.
            found = get_featuresdict_from_dataset(
                Images(images), theirs, DEFAULTS["batch_size"], cuda, True, False
            )
        return found[LAYER].cpu()

    print_header(torch.device(options.device))
    print(
        f"{options.images} images of {options.side} px; batch {ours.batch} and 64; after a warm-up"
    )
    difference = (run_ours() - run_theirs()).abs().max()
    ratios = []
    print(f"{'pair':>5} {'ours':>10} {'torch-fidelity':>15} {'ratio':>6}   (images/s)")
    for pair in range(options.pairs):
        rates = []
        for run in (run_ours, run_theirs):
            start = time.perf_counter()
            run()
            rates.append(options.images / (time.perf_counter() - start))
        ratios.append(rates[0] / rates[1])
        print(f"{pair:5} {rates[0]:10.1f} {rates[1]:15.1f} {ratios[-1]:6.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}; largest difference {difference:.2g}")


if __name__ == "__main__":
    main()
