"""Where generated images have more or less detail than real ones: their radial power spectra, side by side.

    python benchmarks/spectrum.py REAL FAKES [FAKES ...]     folders or zips; FAKES runs and generators too

For each of eight bands of spatial frequency, from the coarsest to half a cycle per pixel, the power of FAKES over
that of REAL, and the same at the frequency of a checkerboard of single pixels, which noise inputs and transposed
convolutions leave behind. 1 is alike. Power is |FFT|^2 of each channel without its mean, averaged over images and
channels; of a run 2,000 images of its last generator are drawn, as many of each generator file: those that
`adavit train --keep every:KIMG` keeps show how it came about. FAKES are taken as they are, REAL at their size.
"""

import sys
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from adavit.data import load_images
from adavit.data.assemble import decoding_threads, sizes_of
from adavit.data.dataset import open_source
from adavit.errors import UserError
from adavit.generation.sampling import generated_batches
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from adavit.runtime.resolution import Resolution

BANDS = 8
DRAWN = 2000


def power(images: np.ndarray) -> np.ndarray:
    """Mean power at each frequency [H, W], zero frequency first, of images uint8 [N, C, H, W]."""
    total = np.zeros(images.shape[2:])
    for start in range(0, len(images), 256):
        part = images[start : start + 256].astype(np.float64)
        part -= part.mean(axis=(2, 3), keepdims=True)
        total += (np.abs(np.fft.fft2(part)) ** 2).mean(axis=1).sum(axis=0)
    return total / len(images)


def bands(spectrum: np.ndarray) -> np.ndarray:
    """Mean power in rings of equal width up to half a cycle per pixel [BANDS]; corners belong to the last."""
    down, across = map(np.fft.fftfreq, spectrum.shape)
    radius = np.hypot(down[:, None], across)
    ring = np.minimum((radius * 2 * BANDS).astype(int), BANDS - 1)
    inside = radius > 0
    return np.array([spectrum[inside & (ring == each)].mean() for each in range(BANDS)])


def checkerboard(spectrum: np.ndarray) -> float:
    """Power where neighbours alternate in both directions."""
    height, width = spectrum.shape
    return float(spectrum[height // 2, width // 2])


def fakes_of(source: str) -> np.ndarray:
    """Images of a folder, a zip, a run or a generator file at their own size, uint8 [N, C, H, W].

    Raises:
        UserError: If files are of several sizes, or of one that no generator has.
    """
    is_run = RunDirectory(Path(source)).is_run()
    if not is_run and Path(source).suffix != ".safetensors":
        return np.asarray(load_images(source, resolution=own_size(source)).images)
    stored = read_generator(source, which="last" if is_run else None)
    drawn = generated_batches(stored.generator, DRAWN, seed=0, label_counts=stored.label_counts)
    return np.concatenate([batch.cpu().numpy() for batch in drawn])


def own_size(source: str) -> Resolution | None:
    """The one size of all images of a source, for resized ones have another spectrum; None without an image."""
    with open_source(source) as collection, decoding_threads() as threads:
        sizes = {
            Resolution(height, width) for width, height in sizes_of(collection.images(), threads)
        }
    if len(sizes) > 1:
        named = ", ".join(str(size.plain) for size in sorted(sizes))
        raise UserError(
            f"FAKES {source!r} has images of {named} px, expected one size. Name a folder for each."
        )
    for size in sizes:
        return Resolution.of(size.plain, named=f"the side of FAKES {source!r}")
    return None


def main(real: str, fakes: list[str]) -> None:
    """Prints the table."""
    expected: dict[tuple[int, ...], np.ndarray] = {}
    print("bands from coarse to fine".ljust(40), "checkerboard", sep="  ")
    for source in fakes:
        found = power(fakes_of(source))
        if found.shape not in expected:
            same_size = load_images(real, resolution=Resolution(*found.shape))
            expected[found.shape] = power(np.asarray(same_size.images))
        wanted = expected[found.shape]
        print(
            " ".join(f"{ratio:4.2f}" for ratio in bands(found) / bands(wanted)).ljust(40),
            f"{checkerboard(found) / checkerboard(wanted):5.2f}  {source}",
            sep="  ",
        )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2:])
    except UserError as error:
        sys.exit(f"Error: {error}")
