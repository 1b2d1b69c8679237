"""A growing list of equally large images that may be larger than the memory."""

import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

_MEMORY_LIMIT_BYTES = 512 << 20


class ImageBuffer:
    """Images appended one by one: in memory up to a limit, then in an unnamed temporary file.

    The file is written, not memory-mapped: a full disk is then an error, where a map would kill the
    process. After such an error everything is read back and stays in memory.

    Args:
        shape: Shape of one image; kept as an attribute.
        folder: Where the temporary file goes, or None to stay in memory.
        memory_limit_bytes: From which size on the file is used.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        folder: Path | None,
        memory_limit_bytes: int = _MEMORY_LIMIT_BYTES,
    ) -> None:
        self.shape = shape
        self._image_bytes = int(np.prod(shape))
        self._folder = folder
        self._limit = memory_limit_bytes
        self._blocks: list[np.ndarray] = []
        self._file: BinaryIO | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> "ImageBuffer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, image: np.ndarray) -> None:
        """Add one image, uint8 of the buffer's shape."""
        if self._file is None:
            self._blocks.append(image)
            self._count += 1
            if self._folder is not None and self._count * self._image_bytes > self._limit:
                self._move_to_file()
            return
        try:
            self._file.seek(self._count * self._image_bytes)
            _write_all(self._file, image)
        except OSError:
            self._move_to_memory()
            self._blocks.append(image)
        self._count += 1

    def read(self, start: int, stop: int) -> np.ndarray:
        """Images from `start` up to `stop` (which may lie beyond the end), uint8 [n, *shape]."""
        stop = min(stop, self._count)
        if self._file is None:
            return np.stack(self._blocks[start:stop])
        self._file.seek(start * self._image_bytes)
        data = b"".join(
            self._file.read(self._image_bytes) for _ in range(start, stop)
        )  # one at a time: an unbuffered read may return less than a gigabyte asked for at once
        return np.frombuffer(data, dtype=np.uint8).reshape(stop - start, *self.shape)

    def _move_to_file(self) -> None:
        file: BinaryIO | None = None
        try:
            # Unbuffered, so that a full disk shows at the write that meets it.
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)
            assert file is not None
            for block in self._blocks:
                _write_all(file, block)
        except OSError:
            self._folder = None
            if file is not None:
                file.close()
            return
        self._file, self._blocks = file, []

    def _move_to_memory(self) -> None:
        self._blocks = list(self.read(0, self._count))
        assert self._file is not None
        self._file.close()
        self._file, self._folder = None, None


def _write_all(file: BinaryIO, block: np.ndarray) -> None:
    data = memoryview(block.tobytes())
    while data:
        data = data[file.write(data) :]
