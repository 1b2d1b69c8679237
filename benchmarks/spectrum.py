"""Where generated images have more or less detail than real ones: their radial power spectra, side by side.

    python benchmarks/spectrum.py REAL FAKES [FAKES ...]     folders or zips of images; of FAKES, runs too

For each of eight bands of spatial frequency, from the coarsest to half a cycle per pixel, the power of FAKES over
that of REAL, and the same at the frequency of a checkerboard of single pixels, which noise inputs and transposed
convolutions leave behind. 1 is alike. Power is |FFT|^2 of each channel without its mean, averaged over images and
channels; of a run 2,000 images of its last generator are drawn.
"""

import sys
from pathlib import Path

sys.path.pop(0)  # the folder of this script, where augment.py would hide the package of that name

import numpy as np

from adavit.data import load_images
from adavit.generation.sampling import generated_batches
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator

BANDS = 8
DRAWN = 2000


def power(images: np.ndarray) -> np.ndarray:
    """Mean power at each frequency [R, R], zero frequency first, of images uint8 [N, C, R, R]."""
    total = np.zeros(images.shape[2:])
    for start in range(0, len(images), 256):
        part = images[start : start + 256].astype(np.float64)
        part -= part.mean(axis=(2, 3), keepdims=True)
        total += (np.abs(np.fft.fft2(part)) ** 2).mean(axis=1).sum(axis=0)
    return total / len(images)


def bands(spectrum: np.ndarray) -> np.ndarray:
    """Mean power in rings of equal width up to half a cycle per pixel [BANDS]; corners belong to the last."""
    cycles = np.fft.fftfreq(len(spectrum))
    radius = np.hypot(*np.meshgrid(cycles, cycles))
    ring = np.minimum((radius * 2 * BANDS).astype(int), BANDS - 1)
    inside = radius > 0
    return np.array([spectrum[inside & (ring == each)].mean() for each in range(BANDS)])


def images_of(source: str, resolution: int) -> np.ndarray:
    """Images of a folder, a zip or a run, uint8 [N, C, R, R]."""
    if not RunDirectory(Path(source)).is_run():
        return np.asarray(load_images(source, resolution=resolution).images)
    stored = read_generator(source, which="last")
    drawn = generated_batches(stored.generator, DRAWN, seed=0, label_counts=stored.label_counts)
    return np.concatenate([batch.cpu().numpy() for batch in drawn])


def main(real: str, fakes: list[str]) -> None:
    """Prints the table."""
    first = images_of(fakes[0], 32)
    side = first.shape[2]
    expected = power(images_of(real, side))
    print("bands from coarse to fine".ljust(40), "checkerboard", sep="  ")
    for source in fakes:
        found = power(images_of(source, side))
        ratios = bands(found) / bands(expected)
        corner = found[side // 2, side // 2] / expected[side // 2, side // 2]
        print(
            " ".join(f"{ratio:4.2f}" for ratio in ratios).ljust(40),
            f"{corner:5.2f}  {source}",
            sep="  ",
        )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
