"""A device for tests: the host's memory and the CPU's kernels, as strict as CUDA about what lies where.

One process has one such device for good, and must know it before its first backward pass; tests on it therefore have
a process of their own (`tests.standin.process`).
"""

import ctypes
import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from filelock import FileLock
from torch import Tensor

from adavit.runtime import devices

NAME = "standin"
SOURCE = Path(__file__).with_name("device.cpp")
ROOT = Path(__file__).parents[2]
OURS = ("adavit", "augment", "cli")
TOTAL_BYTES = 16 * 2**30
_Listener = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


def folder(config: pytest.Config) -> Path:
    """Where libraries are kept from one session to the next."""
    assert config.cache is not None
    return config.cache.mkdir(NAME)


def can_build() -> bool:
    """Whether there is a compiler."""
    return shutil.which("g++") is not None


def build(folder: Path) -> Path:
    """Compiles the device, unless that was done for this source and this torch already.

    Args:
        folder: Where libraries are kept.

    Returns:
        The library.
    """
    key = hashlib.sha256(SOURCE.read_bytes() + torch.__version__.encode()).hexdigest()[:16]
    library = folder / f"{key}.so"
    with FileLock(folder / "lock"):
        if not library.exists():
            _compile(library)
    return library


def _compile(library: Path) -> None:
    from torch.utils import cpp_extension  # looks for CUDA, and says so

    words = ["-std=c++20", "-O0", "-fPIC", "-shared", "-w", str(SOURCE)]
    words += [f"-I{path}" for path in cpp_extension.include_paths()]
    words += [f"-L{path}" for path in cpp_extension.library_paths()]
    made = library.with_suffix(".part")
    subprocess.run(["g++", *words, "-ltorch", "-ltorch_cpu", "-lc10", "-o", str(made)], check=True)
    made.rename(library)


class _Module(ModuleType):
    """What `torch.cuda` is to CUDA.

    Attributes:
        listen: Has a function of C called with what the host waits for, each time; with none, no more.
    """

    def __init__(self, library: Path) -> None:
        super().__init__(f"torch.{NAME}")
        self.listen = ctypes.CDLL(str(library)).standin_listen

    def init(self) -> None:
        """Is ready once it is registered."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def device(self, _device: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def get_device_name(self, _device: Any = None) -> str:
        return "stand-in"

    def get_device_properties(self, _device: Any = None) -> SimpleNamespace:
        return SimpleNamespace(total_memory=TOTAL_BYTES)

    def synchronize(self, _device: Any = None) -> None:
        """All is done when it is called."""

    def mem_get_info(self, _device: Any = None) -> tuple[int, int]:
        return TOTAL_BYTES - self.memory_reserved(), TOTAL_BYTES

    def memory_reserved(self, _device: Any = None) -> int:
        held: int = torch.ops.standin.held()
        return held

    def max_memory_allocated(self, _device: Any = None) -> int:
        peak: int = torch.ops.standin.peak()
        return peak

    def reset_peak_memory_stats(self, _device: Any = None) -> None:
        torch.ops.standin.reset_peak()

    def empty_cache(self) -> None:
        """Nothing is kept."""

    def set_per_process_memory_fraction(self, fraction: float, _device: Any = None) -> None:
        torch.ops.standin.limit(int(fraction * TOTAL_BYTES))

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        torch.ops.standin.seed(seed % 2**63)

    def get_rng_state(self, _device: Any = None) -> Tensor:
        state: Tensor = torch.ops.standin.random_state()
        return state

    def set_rng_state(self, state: Tensor, _device: Any = None) -> None:
        torch.ops.standin.set_random_state(state)


def register(library: Path) -> None:
    """Makes it known to torch, as `torch.device("standin")`, where that was not done already."""
    if hasattr(torch, NAME):
        return
    torch.ops.load_library(library)
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, _Module(library))
    torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)


class _Torch:
    """torch, with the stand-in in the place of CUDA."""

    @property
    def cuda(self) -> ModuleType:
        return torch.get_device_module(NAME)

    def device(self, name: str) -> torch.device:
        return torch.device(NAME if name == "cuda" else name)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@contextmanager
def as_cuda(libraries: Path) -> Iterator[None]:
    """This process has the device from now on, and in the context `--device cuda` chooses it."""
    register(build(libraries))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "torch", _Torch())
        yield


class Wait(NamedTuple):
    """Where and for what the host waits.

    Attributes:
        file: The innermost of ours; "backward pass" where torch calculates gradients in a thread of its own.
        function: In it.
        what: A copy, one number, or an operator.
    """

    file: str
    function: str
    what: str


class Waits:
    """Counts in its context where the host would wait for a CUDA device.

    Attributes:
        places: How often each.
    """

    def __init__(self) -> None:
        self.places: Counter[Wait] = Counter()
        self._listener = _Listener(self._note)

    def __enter__(self) -> "Waits":
        torch.get_device_module(NAME).listen(self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        torch.get_device_module(NAME).listen(_Listener())

    def _note(self, what: bytes) -> None:
        frame: FrameType | None = sys._getframe(0)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in OURS:
                file = str(path.relative_to(ROOT))
                self.places[Wait(file, frame.f_code.co_name, what.decode())] += 1
                return
            frame = frame.f_back
        self.places[Wait("backward pass", "", what.decode())] += 1
