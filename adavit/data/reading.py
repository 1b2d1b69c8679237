"""Choices in how image files are found and read: links, frames, what is white in 16 bits, what becomes of shapes."""

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from adavit.data.files.fit import FitName
from adavit.data.files.frames import Frames
from adavit.errors import UserError

Scale16Bit = Literal["auto", "full", "set"]


@dataclass(frozen=True)
class Reading:
    """How files are found and read where there is a choice.

    Attributes:
        frames: "first": one image per file. "all": every frame of a GIF, an animated WebP, PNG or
            AVIF and every page of a TIFF is an image.
        scale_16bit: Which sample becomes 255 in images of more than 8 bits. "auto": the largest that
            each file declares, 2^BitsPerSample - 1 in a TIFF and 65535 in a PNG (its sBIT chunk
            counts from the top). "full": 65535 in all files. "set": one for the whole set, the
            smallest 2^b - 1 that no sample exceeds.
        fit: What is done with images of another shape; see `adavit.data.files.fit`.
        follow_links: Whether links that lead out of a folder are followed too.

    Raises:
        UserError: If a value is none of these.
    """

    frames: Frames = "first"
    scale_16bit: Scale16Bit = "auto"
    fit: FitName = "crop"
    follow_links: bool = False

    def __post_init__(self) -> None:
        _check(
            "data.frames", self.frames, get_args(Frames), "--frames first takes one image per file"
        )
        _check(
            "data.scale_16bit",
            self.scale_16bit,
            get_args(Scale16Bit),
            "--scale-16bit auto takes what each file declares",
        )
        _check("data.fit", self.fit, get_args(FitName), "--fit crop takes the middle of each image")

    def key(self) -> str:
        """What distinguishes sets whose files were read in different ways; which files, their collection says."""
        return f"frames {self.frames}, 16 bits {self.scale_16bit}, fit {self.fit}"


class GivenReading(TypedDict, total=False):
    """The part of a `Reading` that somebody asked for."""

    frames: Frames
    scale_16bit: Scale16Bit
    follow_links: bool


def _check(key: str, value: str, known: tuple[str, ...], remedy: str) -> None:
    if value not in known:
        raise UserError(f"{key} is '{value}', but must be one of {', '.join(known)}. {remedy}.")


DEFAULT_READING = Reading()
