"""What `adavit import` writes: the one owner of the names of its files."""

from pathlib import Path

from adavit.errors import UserError
from adavit.runtime.files import is_unfinished

UNFINISHED = ".import."
"""Begins the name of the file that lies in the folder for as long as it is written, and after a kill: each file is
whole by itself, and tells nothing of those that are wanting."""


class ImportedFolder:
    """Paths of networks that others have trained.

    Args:
        path: The folder.

    Attributes:
        generator: The one whose weights are an average, which images are drawn with.
        unaveraged: The one that was trained, where it is known apart from the other.
        discriminator: Its opponent.
        readme: Where they are from, for people.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generator = path / "generator.safetensors"
        self.unaveraged = path / "generator-unaveraged.safetensors"
        self.discriminator = path / "discriminator.safetensors"
        self.readme = path / "README.md"

    def is_import(self) -> bool:
        """Whether there are such networks in the folder, or are to be."""
        return self.generator.is_file() or self.discriminator.is_file() or self._is_begun()

    def check_whole(self) -> None:
        """Refuses a folder in which networks may be wanting, or have others in their place.

        Raises:
            UserError: If an import writes there, or was killed.
        """
        if self._is_begun():
            raise UserError(
                f"{str(self.path)!r} holds a part of what adavit import writes: it is writing still, or was ended."
                " Expected all of it; wait for it, or remove the folder and import the file again."
            )

    def _is_begun(self) -> bool:
        return any(is_unfinished(path) for path in self.path.glob(f"{UNFINISHED}*"))
