"""Films that begin again at their end, written as MP4, GIF, WebP or a folder of PNG files.

MP4 needs PyAV, the extra `video`: it encodes in this process and is half the download of imageio-ffmpeg (36 and 68 MB),
which calls a program. Pillow writes the rest.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageOps

from adavit.errors import UserError
from adavit.runtime.files import make_folder, unfinished_file, write_bytes
from adavit.runtime.pictures import opaque, result_gif, result_png

MOST_HELD_BYTES = 2_000_000_000
"""Of frames that are kept until all are there, as GIF and WebP need them."""

ENCODERS = ("libx264", "libopenh264", "mpeg4")
"""Of MP4, the best first; which there are depends on how PyAV was built."""

_FRAME = re.compile(r"frame\d{4,}\.png")


class Film(ABC):
    """Where frames go.

    Args:
        path: Of the file or folder.
        fps: Frames per second, >= 1.
    """

    def __init__(self, path: Path, fps: int) -> None:
        self.path = path
        self.fps = fps

    @abstractmethod
    def check(self, frames: int, width: int, height: int) -> None:
        """Refuses what cannot be written, before time is spent on drawing it.

        Args:
            frames: How many there will be.
            width: Of each, in pixels.
            height: Likewise.

        Raises:
            UserError: If the film is too large, or the folder cannot be made or used.
        """

    @abstractmethod
    def write(self, frames: Iterable[Image.Image]) -> None:
        """Writes the film; where that fails, what stood there stays.

        Args:
            frames: Of one size, RGB or RGBA; taken one at a time.

        Raises:
            OSError: If it cannot be written.
        """


class FilmFile(Film):
    """A film in one file."""

    BYTES_PER_PIXEL = 0
    """That it holds of frames until the last one is there."""
    LONGEST_SIDE: int
    """Of a frame, in pixels, that its format or its encoder can write."""

    def check(self, frames: int, width: int, height: int) -> None:
        """See `Film`."""
        if max(width, height) > self.LONGEST_SIDE:
            raise UserError(
                f"--out {str(self.path)!r} would have frames of {width:,} x {height:,} px, expected sides of at most"
                f" {self.LONGEST_SIDE:,} in a {self.path.suffix.lower()}. Lower --scale, or write a folder."
            )
        held = frames * width * height * self.BYTES_PER_PIXEL
        if held > MOST_HELD_BYTES:
            raise UserError(
                f"--out {str(self.path)!r} would hold {held / 1e9:.1f} GB of frames in memory, expected at most"
                f" {MOST_HELD_BYTES / 1e9:g}. Write an .mp4 or a folder, or lower --seconds, --fps or --scale."
            )
        make_folder(self.path.parent)

    def write(self, frames: Iterable[Image.Image]) -> None:
        """See `Film`."""
        with unfinished_file(self.path.parent, f".{self.path.name}.") as (file, finish):
            self._fill(file, iter(frames))
            finish(self.path)

    @abstractmethod
    def _fill(self, file: BinaryIO, frames: Iterator[Image.Image]) -> None:
        """Writes the content of the file."""


class Mp4Film(FilmFile):
    """H.264 as browsers and phones play it: yuv420p with even sides; what is transparent lies on a chequered ground."""

    LONGEST_SIDE = 16_384

    def __init__(self, path: Path, fps: int) -> None:
        super().__init__(path, fps)
        if find_spec("av") is None:
            raise UserError(
                f"--out {str(self.path)!r} needs PyAV, expected it to be installed. Install it with pip"
                ' install "adavit[video]", or write a .gif, a .webp or a folder.'
            )
        self._encoder = _encoder()

    def _fill(self, file: BinaryIO, frames: Iterator[Image.Image]) -> None:
        import av
        from av.video.reformatter import Colorspace

        encoder = self._encoder
        # By its name: to move the index to the front, so that playing begins at once, the file is read again. From the
        # root on: what stands before a colon would be taken for a protocol.
        name = str(Path(file.name).absolute())
        with av.open(name, "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream: Any = None
            for number, frame in enumerate(frames):
                shown = _even(opaque(frame))
                if stream is None:
                    stream = container.add_stream(encoder, rate=self.fps)
                    stream.width, stream.height, stream.pix_fmt = *shown.size, "yuv420p"
                    stream.options = _quality(encoder)
                    stream.codec_context.colorspace = (
                        1  # BT.709, as below; left open, players guess by the size
                    )
                    stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
                picture = av.VideoFrame.from_image(shown).reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU709
                )
                picture.pts, picture.time_base = number, Fraction(1, self.fps)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))


class GifFilm(FilmFile):
    """Of 256 colours a frame; a pixel is transparent or not, from an alpha of 128 on it is not."""

    BYTES_PER_PIXEL = 1
    LONGEST_SIDE = 65_535

    def __init__(self, path: Path, fps: int) -> None:
        super().__init__(path, fps)
        if fps > 50:
            raise UserError(
                f"--fps is {fps}, expected at most 50 for a GIF, whose frames last hundredths of a second."
                " Lower it, or write a .webp or .mp4."
            )

    def _fill(self, file: BinaryIO, frames: Iterator[Image.Image]) -> None:
        pictures = [_palette(frame) for frame in frames]
        file.write(result_gif(pictures, milliseconds=times(len(pictures), self.fps, 10)))


class WebpFilm(FilmFile):
    """With all of its transparency."""

    BYTES_PER_PIXEL = 4
    LONGEST_SIDE = 16_383
    QUALITY = 90

    def _fill(self, file: BinaryIO, frames: Iterator[Image.Image]) -> None:
        first, *others = frames
        first.save(
            file,
            format="WEBP",
            save_all=True,
            append_images=others,
            duration=times(1 + len(others), self.fps, 1),
            loop=0,
            quality=self.QUALITY,
            method=4,  # of an animation Pillow takes 0, whose files are twice as large
        )


class FrameFolder(Film):
    """`frame0000.png` and on, each as it is."""

    def check(self, frames: int, width: int, height: int) -> None:
        """See `Film`."""
        make_folder(self.path)
        if any(_FRAME.fullmatch(path.name) for path in self.path.iterdir()):
            raise UserError(
                f"--out {str(self.path)!r} has the frames of a film already, expected a folder without. Remove"
                " them, or choose another."
            )

    def write(self, frames: Iterable[Image.Image]) -> None:
        """See `Film`; frames that were written before something failed are removed."""
        written: list[Path] = []
        try:
            for number, frame in enumerate(frames):
                path = self.path / f"frame{number:04d}.png"
                write_bytes(path, result_png(frame))
                written.append(path)
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise


FILMS: dict[str, type[Film]] = {
    ".mp4": Mp4Film,
    ".gif": GifFilm,
    ".webp": WebpFilm,
    "": FrameFolder,
}


def film_at(path: Path, fps: int) -> Film:
    """The film that a path asks for by its ending; a folder without one, or where there is a folder.

    Raises:
        UserError: If it ends in something else, its encoder is missing, or the frames are too many a second for it.
    """
    ending = "" if path.is_dir() else path.suffix.lower()
    if ending not in FILMS:
        raise UserError(
            f"--out is {str(path)!r}, expected a name in .mp4, .gif or .webp, or a folder for PNG files."
            " Choose one of these."
        )
    return FILMS[ending](path, fps)


def times(frames: int, fps: int, unit_ms: int) -> list[int]:
    """How long each frame is shown in milliseconds: multiples of a unit whose sums never stray from the time.

    Args:
        frames: How many.
        fps: Frames per second.
        unit_ms: What a file can tell.
    """
    ends = [round(number * 1000 / fps / unit_ms) * unit_ms for number in range(frames + 1)]
    return [end - begin for begin, end in pairwise(ends)]


def _encoder() -> str:
    import av

    for name in ENCODERS:
        if name in av.codecs_available:
            return name
    raise UserError(
        f"this PyAV {av.__version__} has no encoder for MP4, expected one of: {', '.join(ENCODERS)}. Install"
        ' another with pip install --upgrade "adavit[video]", or write a .gif, a .webp or a folder.'
    )


def _quality(encoder: str) -> dict[str, str]:
    return {"crf": "18", "preset": "medium"} if encoder == "libx264" else {"qscale": "2"}


def _even(picture: Image.Image) -> Image.Image:
    """With a black line at the right or below where a side is odd: colours are kept for two pixels each."""
    right, below = picture.width % 2, picture.height % 2
    return ImageOps.expand(picture, (0, 0, right, below)) if right or below else picture


def _palette(frame: Image.Image) -> Image.Image:
    """A frame in the colours of its own palette, whose last one is transparent if anything is."""
    if not frame.has_transparency_data:
        return frame.convert("RGB").quantize(256)
    picture = frame.convert("RGB").quantize(255)
    clear = frame.convert("RGBA").getchannel("A").point(lambda alpha: 255 * (alpha < 128))
    picture.paste(255, mask=clear)
    picture.info["transparency"] = 255
    return picture
