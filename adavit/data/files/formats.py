"""Which image files are read: found by their first bytes, opened by Pillow's reader of that format and by no other.

Files are hostile until decoded: everything wrong with one is `Unreadable`. Pillow's own limit of 179 megapixels does
not apply, since its readers are called and not `Image.open`; the limit here is `MAXIMUM_PIXELS`.
"""

import importlib
from collections.abc import Callable
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from adavit.data.files.members import printable
from adavit.data.files.png_chunks import without_ancillary_chunks
from adavit.runtime.pictures import is_result

MAXIMUM_PIXELS = 250_000_000
# Pillow gathers a row in blocks of 64 KB and copies what it has each time: a row of megabytes takes a minute.
MAXIMUM_SIDE = 100_000
READ_FORMATS = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
Reader = Callable[[BinaryIO, str], Image.Image]
_READERS: dict[str, Reader] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.jpeg_factory,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_HEAD_BYTES = 64
_TIFF_PROFILE = 34675
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


class Unreadable(Exception):
    """Why a file gives no image, as the end of the sentence "it ..."."""


class Unavailable(Unreadable):
    """Why the system does not give a file now: no property of the file, and another time it may."""


class NoReader(Unreadable):
    """The file is of a format whose package is not installed: no property of the file either, until it is.

    Attributes:
        format: Pillow's name of it, as `is_read` takes it.
    """

    def __init__(self, name: str, kind: str, package: str) -> None:
        super().__init__(f"is {kind} image, which needs a package more: pip install {package}")
        self.format = name


class OpenedImage:
    """An image whose header was read, and of whose pixels nothing was decoded.

    Args:
        image: As Pillow has it; of a file with several frames, one of them.
        stream: The file, open; None for an image in memory.
        reader: What read the header; None for an image in memory.
        file: The file as it is, where `stream` is a copy without what cannot be read.

    Attributes:
        image: The same.
        size: Width and height in pixels, as stored.
        lost_profile: Whether its colour profile had to be left out to read it.
    """

    def __init__(
        self,
        image: Image.Image,
        stream: BinaryIO | None = None,
        reader: Reader | None = None,
        file: BinaryIO | None = None,
    ) -> None:
        self.image = image
        self.size = image.size
        self.lost_profile = False
        self._stream = stream
        self._reader = reader
        self._file = stream if file is None else file
        self._second: Image.Image | None = None

    @property
    def profile(self) -> bytes | None:
        """Its colour profile; empty without one, None where Pillow gives up on it."""
        image = self.image
        # Of a TIFF Pillow keeps the profile of the page before where the next one has none.
        if image.format == "TIFF" and _TIFF_PROFILE not in getattr(image, "tag_v2", {}):
            return b""
        profile: bytes | None = image.info.get("icc_profile", b"")
        return profile

    def seek(self, frame: int) -> None:
        """Go to a frame.

        Raises:
            Unreadable: If it is not there, damaged or too large, or behind one whose colours are lost.
        """
        if frame == self.image.tell():
            return
        if frame > self.image.tell():  # of a GIF it is laid over this one
            self.check_colours()
        try:
            self.image.seek(frame)
        except Exception as error:  # readers raise anything for damaged frames
            raise unreadable(error) from error
        self.size = self.image.size
        _check_size(self.size)

    def check_colours(self) -> None:
        """Refuses a loaded frame whose colours Pillow has lost.

        Raises:
            Unreadable: If it is one.
        """
        image = self.image
        # Behind its first frame a GIF becomes RGB, save where that is grey: what is laid over grey ones stays numbers
        # of colours, among levels of grey, and their palette is not kept.
        if image.format == "GIF" and image.tell() > 0 and image.mode == "P":
            raise Unreadable("is a frame of a GIF whose colours are lost; save its frames as PNGs")

    def again(self) -> Image.Image | None:
        """The same frame from its header on, for a second look at its bytes; None for an image in memory."""
        if self._stream is None or self._reader is None:
            return None
        frame, second = self.image.tell(), self._second
        # A page of a TIFF is found by way of all before it, so what has found an earlier one goes on from there.
        if second is None or second.format != "TIFF" or second.tell() >= frame:
            self._stream.seek(0)
            second = self._second = self._reader(self._stream, "")
        if frame > 0:
            second.seek(frame)
        return second

    def content(self) -> bytes | None:
        """The file as it is, byte by byte; None for an image in memory."""
        if self._file is None:
            return None
        self._file.seek(0)
        return self._file.read()

    def without_extras(self) -> "OpenedImage | None":
        """The same file without what its pixels do not need, such as text; None where that changes nothing.

        Raises:
            Exception: Whatever Pillow raises, if the rest cannot be read either.
        """
        if self._stream is None or self.image.format != "PNG":
            return None
        return _png_without_extras(self._stream, self.image.tell())


def open_image(stream: BinaryIO) -> OpenedImage:
    """Read the header of an image file; no pixel is decoded.

    Args:
        stream: The file, positioned at its start. Must stay open until the image is decoded.

    Returns:
        The image, not yet loaded, of at most 250 megapixels and 100,000 pixels on a side.

    Raises:
        Unreadable: If the file is none of the formats, its header is broken, or it has too many
            pixels.
        MemoryError: If memory ran out.
    """
    try:
        name, reader = _find_reader(stream.read(_HEAD_BYTES))
        opened = _read_header(stream, name, reader)
    except Unreadable:
        raise
    except SyntaxError as error:  # what Pillow's readers raise for a header they do not understand
        if str(error) == "unknown pixel mode":
            raise Unreadable(
                "is a TIFF with pixels of a kind that is not read (channels, bits or byte order);"
                " save it as a PNG"
            ) from error
        raise Unreadable("is damaged: no image can be found in it") from error
    except (
        Exception
    ) as error:  # decoders raise anything on hostile bytes; one file must never end a run
        raise unreadable(error) from error
    if is_result(opened.image):
        raise Unreadable("is a picture of results that adavit wrote, not an image of a set")
    _check_size(opened.size)
    return opened


def is_image(stream: BinaryIO) -> bool:
    """Whether a file begins as an image that is read here; damaged ones do too.

    Args:
        stream: The file, open at its beginning.
    """
    try:
        _find_reader(stream.read(_HEAD_BYTES))
    except Unreadable:
        return False
    return True


def is_read(name: str) -> bool:
    """Whether files of a format, by Pillow's name, are read here now."""
    try:
        _reader_of(name)
    except NoReader:
        return False
    return True


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAXIMUM_PIXELS:
        raise Unreadable(f"has over {MAXIMUM_PIXELS // 10**6} megapixels ({width}x{height})")
    if max(size) > MAXIMUM_SIDE:
        raise Unreadable(f"has a side of over {MAXIMUM_SIDE:,} pixels ({width}x{height})")


def unreadable(error: Exception) -> Unreadable:
    """What an error met while reading a file says about it.

    Args:
        error: Anything that opening, reading or decoding raised.

    Returns:
        The reason: `Unavailable` for what the system refuses, else damage of the content.

    Raises:
        MemoryError: If memory ran out: that is said of the machine, never of the file.
    """
    if isinstance(error, MemoryError) or "out of memory" in str(error):  # so Pillow's codecs say it
        raise MemoryError from error
    if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have no number
        return Unavailable(f"cannot be read ({error.strerror})")
    text = printable(str(error)) or type(error).__name__
    return Unreadable(f"is damaged: {text[:200]}")


def _find_reader(head: bytes) -> tuple[str, Reader]:
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return name, _reader_of(name)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP", _reader_of("WEBP")
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[start : start + 4] for start in (8, *range(16, end, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF", _reader_of("AVIF")
        if brands & _HEIC_BRANDS:
            return "HEIF", _reader_of("HEIF")
    raise Unreadable(f"is not a {READ_FORMATS} image")


def _reader_of(name: str) -> Reader:
    """The reader of a format; of some it is there only if a package is installed."""
    if name == "HEIF":
        module, reader, kind, package = "pillow_heif", "HeifImageFile", "a HEIC", "pillow-heif"
    elif name == "AVIF":
        with_pillow = "avif" in features.modules and features.check("avif")
        module = "PIL.AvifImagePlugin" if with_pillow else "pillow_avif.AvifImagePlugin"
        reader, kind, package = "AvifImageFile", "an AVIF", "pillow-avif-plugin"
    else:
        return _READERS[name]
    try:
        found: Reader = getattr(importlib.import_module(module), reader)
    except ImportError as error:
        raise NoReader(name, kind, package) from error
    return found


def _read_header(stream: BinaryIO, name: str, reader: Reader) -> OpenedImage:
    stream.seek(0)
    try:
        image = reader(stream, "")
    except Exception:
        if name != "PNG":
            raise
        return _png_without_extras(stream, 0)
    return OpenedImage(image, stream, reader)


def _png_without_extras(stream: BinaryIO, frame: int) -> OpenedImage:
    stream.seek(0)
    rest, had_profile = without_ancillary_chunks(stream)
    image = PngImagePlugin.PngImageFile(rest, "")
    if frame > 0:
        image.seek(frame)
    opened = OpenedImage(image, rest, PngImagePlugin.PngImageFile, file=stream)
    opened.lost_profile = had_profile
    return opened
