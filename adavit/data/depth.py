"""What samples of more than 8 bits a set has, and the sentence about what became of them."""

from collections import Counter
from dataclasses import dataclass, field

from adavit.data.files.decode import Decoded
from adavit.data.reading import Scale16Bit
from adavit.runtime.wording import counted

DARK = 64
"""Below a quarter of 255 a set is called dark."""


@dataclass
class Depth:
    """What was seen of images of more than 8 bits.

    Attributes:
        whites: How many of them have each sample as their white.
        largest: The largest sample among them, before scaling.
        filled: The largest sample as a part of its image's white.
        inverted: How many of them have 0 as white, and that sample as black.
    """

    whites: Counter[int] = field(default_factory=Counter)
    largest: int = 0
    filled: float = 0.0
    inverted: int = 0

    def add(self, image: Decoded) -> None:
        """Count an image, of any depth."""
        if image.largest is not None and image.white is not None:
            self.whites[image.white] += 1
            self.largest = max(self.largest, image.largest)
            self.filled = max(self.filled, image.largest / image.white)
            self.inverted += image.inverted

    def notes(self, scale_16bit: Scale16Bit) -> list[str]:
        """A sentence about what became white; none where no image has more than 8 bits.

        Args:
            scale_16bit: How the images were read.
        """
        if not self.whites:
            return []
        images = counted(self.whites.total(), "image has", "images have")
        whites = sorted(self.whites)
        white = f"{whites[0]:,}" if len(whites) == 1 else f"from {whites[0]:,} to {whites[-1]:,}"
        end, are = "white", "dark"
        if self.inverted:
            every = self.inverted == self.whites.total()
            end = "black" if every else f"white (black in {self.inverted:,} of them)"
            are = "bright" if every else "of little contrast"
        note = (
            f"16 bits: {images} more than 8 bits, samples up to {self.largest:,}; {end} is {white}"
            f" (--scale-16bit {scale_16bit})."
        )
        if self.filled <= DARK / 255 and scale_16bit != "set":
            bits = max(1, self.largest.bit_length())
            note += (
                f" These images are {are}: their samples fill {bits} bits."
                f" --scale-16bit set makes {2**bits - 1:,} {end}."
            )
        return [note]
