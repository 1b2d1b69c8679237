"""What `adavit import` writes: the one owner of the names of its files."""

from pathlib import Path


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
        """Whether there are such networks in the folder."""
        return self.generator.is_file() or self.discriminator.is_file()
