"""Finding, downloading and reading the weights file of Inception, never running what is in it.

The file lives where torch-fidelity keeps it, so that either tool finds the other's download. Its
name holds the first 8 digits of its sha256, which are checked before anything is read. Pickled
objects are refused.
"""

import hashlib
import http.client
import os
import pickle
import tempfile
import threading
import urllib.request
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

from adavit.errors import UserError
from adavit.metrics.inception import expected_state

DIGEST_PREFIX = "6726825d"  # the end of the file's name
CONNECT_SECONDS = 4.0  # offline must be found out at once, also where packets are silently dropped
STALL_SECONDS = 30.0
FLAG = "--inception-weights"


class WeightsAbsentError(UserError):
    """The weights are neither on disk nor to be had; `auto` then takes another extractor."""


def weights_location() -> Path:
    """The file in $TORCH_HOME/hub/checkpoints, as torch-fidelity names it; it need not exist."""
    return Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]


def find_weights(*, allow_download: bool = True, url: str = URL_INCEPTION_V3) -> Path:
    """The checked weights file at torch-fidelity's location, downloaded when missing.

    Args:
        allow_download: False looks on the disk only.
        url: Where to download from.

    Returns:
        The file, whose sha256 begins with `DIGEST_PREFIX`.

    Raises:
        WeightsAbsentError: If the file is absent and cannot be downloaded or written; within about
            `CONNECT_SECONDS` offline.
        UserError: If the file there is not the one its name says.
    """
    path = weights_location()
    if path.exists():
        digest = file_digest(path)
        if not digest.startswith(DIGEST_PREFIX):
            raise UserError(
                f"{path} has the sha256 {digest[:8]}..., but its name promises {DIGEST_PREFIX}. "
                f"Delete it, or pass it with {FLAG} if other weights are wanted."
            )
        return path
    if not allow_download:
        raise _absent(path, "the file is not there and downloads are off")
    try:
        _download(url, path)
    except OSError as error:
        raise _absent(path, f"96 MB could not be written there ({error})") from error
    return path


def file_digest(path: Path) -> str:
    """The sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, checked against the network.

    Args:
        path: A file written by `torch.save` of a state dict.

    Returns:
        All 566 tensors by name, on the CPU.

    Raises:
        UserError: If the file is absent, is no such file, holds anything but tensors, or does not
            fit the network.
    """
    if not path.is_file():
        raise UserError(
            f"{FLAG} {path} is not a file, but must be Inception's state dict as torch-fidelity "
            f"ships it ({weights_location().name}). Check the path."
        )
    state = _load_tensors(path)
    expected = expected_state()
    missing = sorted(expected.keys() - state.keys())
    unknown = sorted(state.keys() - expected.keys())
    if missing or unknown:
        raise _unfit(
            path,
            f"lacks {len(missing)} tensors (first: {missing[:1]}) and has {len(unknown)} unknown "
            f"ones (first: {unknown[:1]})",
        )
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise _unfit(
                path,
                f"has {name} of shape {tuple(state[name].shape)} instead of {tuple(tensor.shape)}",
            )
        if not bool(torch.isfinite(state[name]).all()):
            raise _unfit(path, f"has values in {name} that are not finite")
    return state


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on foreign pickles, which are refused right below
            state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _unfit(path, "is damaged or holds pickled objects, which are never loaded") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        fault = f"{type(error).__name__}: {error}".splitlines()[0][:100]
        raise _unfit(path, f"cannot be read ({fault})") from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise _unfit(path, "does not hold tensors by name")
    return state


def _download(url: str, path: Path) -> None:
    """Downloads to a temporary file beside `path`, checks the digest, then renames."""
    response = _open(url, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    digest = hashlib.sha256()
    try:
        with response, os.fdopen(descriptor, "wb") as handle:
            while block := _read(response, path):
                digest.update(block)
                handle.write(block)
        if not digest.hexdigest().startswith(DIGEST_PREFIX):
            raise _absent(
                path,
                f"{url} sent a file with the sha256 {digest.hexdigest()[:8]}... instead of "
                f"{DIGEST_PREFIX}...",
            )
        Path(temporary).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()


def _open(url: str, path: Path) -> BinaryIO:
    """Opens a URL, giving up after `CONNECT_SECONDS` even where the name server never answers."""
    outcome: list[Any] = []

    def connect() -> None:
        try:
            outcome.append(urllib.request.urlopen(url, timeout=STALL_SECONDS))
        except (OSError, ValueError, http.client.HTTPException) as error:
            outcome.append(error)

    thread = threading.Thread(target=connect, daemon=True)  # a hanging look-up cannot be cancelled
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not outcome:
        raise _absent(path, f"{url} did not answer within {CONNECT_SECONDS:g} s")
    if isinstance(outcome[0], Exception):
        raise _absent(path, f"{url} could not be opened ({outcome[0]})") from outcome[0]
    return outcome[0]


def _read(response: BinaryIO, path: Path) -> bytes:
    try:
        return response.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise _absent(path, f"the download broke off ({error})") from error


def _absent(path: Path, reason: str) -> WeightsAbsentError:
    return WeightsAbsentError(
        f"the Inception weights are absent: {reason}. FID and KID need them at {path} (from "
        f"{URL_INCEPTION_V3}). Place the file there, name it with {FLAG} FILE, or use --extractor "
        "random."
    )


def _unfit(path: Path, fault: str) -> UserError:
    return UserError(
        f"{FLAG} {path} {fault}, but must be a state dict of tensors as torch-fidelity ships it "
        f"({weights_location().name}). Use that file, or --extractor random."
    )
