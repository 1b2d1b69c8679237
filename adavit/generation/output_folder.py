"""The folder that images are written to, and what becomes of those that lie there already."""

from pathlib import Path

from PIL.PngImagePlugin import PngImageFile

from adavit.runtime.files import make_folder, write_bytes
from adavit.runtime.pictures import is_result
from adavit.runtime.wording import counted


class OutputFolder:
    """Takes images, and knows which of them took the place of others.

    Args:
        path: Of the folder; made if missing.

    Attributes:
        written: The files, in their order.
        replaced: How many of them were there with another content, pictures of results apart.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path)
        self.path = path
        self.written: list[Path] = []
        self.replaced = 0

    def write(self, name: str, content: bytes) -> None:
        """Writes an image, in place of one of its name."""
        path = self.path / name
        if path.is_file() and not _is_result_file(path):
            self.replaced += path.read_bytes() != content
        write_bytes(path, content)
        self.written.append(path)

    def remove_result(self, name: str) -> bool:
        """Removes a picture of results, which would show other images than those beside it.

        Returns:
            Whether there was one; a picture of anything else stays.
        """
        path = self.path / name
        if not _is_result_file(path):
            return False
        path.unlink()
        return True

    def told(self) -> str:
        """What was replaced and which other images lie there, in a sentence; "" where there is neither."""
        others = {path for path in self.path.glob("*.png") if not _is_result_file(path)}
        stay = len(others.difference(self.written))
        parts = []
        if self.replaced:
            were = "image was" if self.replaced == 1 else "images were"
            parts.append(f"{self.replaced:,} {were} replaced")
        if stay:
            parts.append(f"{counted(stay, 'other image stays', 'other images stay')}")
        return f"In {self.path} {' and '.join(parts)}." if parts else ""


def _is_result_file(path: Path) -> bool:
    """By its header, whatever its size: `Image.open` refuses more than 358 megapixels, which a grid may have."""
    try:
        with path.open("rb") as file:
            return is_result(PngImageFile(file, ""))
    except Exception:  # noqa: BLE001  readers raise anything on hostile bytes
        return False
