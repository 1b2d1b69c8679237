"""Published files of weights: finding, downloading and reading them, never running what is in them.

The files lie where torch.hub and torch-fidelity keep them, so that either tool finds the other's
download. Most names end in the first 8 digits of the file's sha256, which are checked before
anything is read. Pickled objects are refused.
"""

import hashlib
import http.client
import pickle
import ssl
import sys
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from adavit.errors import UserError
from adavit.runtime.files import unfinished_file
from adavit.runtime.paths import home_folder

CONNECT_SECONDS = 4.0  # offline must be found out at once, also where packets are silently dropped
STALL_SECONDS = 30.0
SHOWN_DIGITS = 8
USE_RANDOM = "use extractor random"


class WeightsAbsentError(UserError):
    """The weights are neither on disk nor to be had; `auto` then takes another extractor.

    Attributes:
        what: The clause that says so.

    Args:
        what: That clause.
        remedy: Sentences about what can be done.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what


def weights_folder() -> Path:
    """Where downloaded weights lie, $TORCH_HOME/hub/checkpoints; it need not exist."""
    folder = torch.hub.get_dir()
    if folder.startswith("~"):  # torch has found no home folder
        folder = folder.replace("~", str(home_folder()), 1)
    return Path(folder) / "checkpoints"


@dataclass(frozen=True)
class HashedFile:
    """A file of weights, by its path; it need not exist before it is read."""

    path: Path

    @cached_property
    def digest(self) -> str:
        """Its sha256, 64 hexadecimal digits, taken once: such a file may have hundreds of megabytes."""
        return file_digest(self.path)


@dataclass(frozen=True)
class WeightFile:
    """A published file of weights.

    Attributes:
        network: Whose weights they are, for messages.
        url: Where they are downloaded from.
        digest_prefix: How the file's sha256 begins. None: not published.
        named_as: What another FILE is named as, for messages. None: there can be no other.
        otherwise: What a user can do without the file, for messages.
        name: Of the file on the disk. None: as in the URL.
    """

    network: str
    url: str
    digest_prefix: str | None
    named_as: str | None
    otherwise: str = USE_RANDOM
    name: str | None = None

    @property
    def location(self) -> Path:
        """The file in `weights_folder()`; it need not exist."""
        return weights_folder() / (self.name or self.url.rsplit("/", 1)[1])

    def find(self, *, allow_download: bool = True) -> HashedFile:
        """The checked file at its location, downloaded when missing.

        Args:
            allow_download: False looks on the disk only.

        Raises:
            WeightsAbsentError: If the file is absent and cannot be downloaded or written; within
                about `CONNECT_SECONDS` offline.
            UserError: If the file there is not the one its name says.
        """
        path = self.location
        found = HashedFile(path)
        if path.exists():
            if not self.is_published(found.digest):
                other = f", or give it with {self.named_as} if other weights are wanted"
                raise UserError(
                    f"{path} has the sha256 {found.digest[:SHOWN_DIGITS]}..., but its name promises"
                    f" {self.digest_prefix}. Delete it{other if self.named_as else ''}."
                )
            return found
        if not allow_download:
            raise self._absent("are not on the disk, and downloads are off")
        try:
            self._download(path)
        except OSError as error:
            raise self._absent(f"could not be written to {path} ({error.strerror})") from error
        return found

    def is_published(self, digest: str) -> bool:
        """Whether a sha256 is that of the published file, as far as that is known."""
        return digest.startswith(self.digest_prefix or "")

    def note_on(self, found: HashedFile, figures: str) -> str | None:
        """What to say of figures from another file than the published one; None of that itself."""
        if self.is_published(found.digest):
            return None
        return (
            f"Warning: {found.path} (sha256 {found.digest[:SHOWN_DIGITS]}...) is not the published file of"
            f" {self.network} ({self.digest_prefix}...): {figures} are not comparable with"
            " published ones, unless it holds the same weights."
        )

    def read(self, path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of such a file, checked against the network.

        Args:
            path: A file written by `torch.save` of a state dict.
            expected: Tensors of the right names and shapes, on any device.

        Returns:
            All of them by name, on the CPU.

        Raises:
            UserError: If the file is absent, is no such file, holds anything but tensors, or does
                not fit the network.
        """
        named = (self.named_as or "FILE").replace("FILE", str(path))
        wanted = f"{self.network}'s state dict as in {self.location.name}"
        state = read_tensors(path, named, wanted, otherwise=self.otherwise)
        check_fit(state, expected, named, wanted, otherwise=self.otherwise)
        return state

    def _download(self, path: Path) -> None:
        """Downloads to a temporary file beside `path`, checks the digest, then renames."""
        response = self._open()
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, announced = hashlib.sha256(), response.length
        with response, unfinished_file(path.parent, f".{path.name}.") as (file, finish):
            while block := self._read_block(response):
                digest.update(block)
                file.write(block)
            # A connection that ends early is no error of the response.
            if announced is not None and file.tell() < announced:
                raise self._not_downloaded(f"it broke off after {file.tell()} of {announced} bytes")
            if not self.is_published(digest.hexdigest()):
                raise self._not_downloaded(
                    f"the server sent a file with the sha256 {digest.hexdigest()[:SHOWN_DIGITS]}..."
                    f" instead of {self.digest_prefix}..."
                )
            finish(path)

    def _open(self) -> http.client.HTTPResponse:
        """Opens the URL, giving up after `CONNECT_SECONDS` even where the name server never answers."""
        outcome: list[Any] = []

        def connect() -> None:
            try:
                outcome.append(urllib.request.urlopen(self.url, timeout=STALL_SECONDS))
            except (OSError, ValueError, http.client.HTTPException) as error:
                outcome.append(error)

        # A look-up that hangs cannot be cancelled.
        thread = threading.Thread(target=connect, daemon=True)
        thread.start()
        thread.join(CONNECT_SECONDS)
        if not outcome:
            raise self._not_downloaded(f"no answer within {CONNECT_SECONDS:g} s")
        if isinstance(outcome[0], Exception):
            raise self._not_downloaded(_why(outcome[0])) from outcome[0]
        return outcome[0]

    def _read_block(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(1 << 20)
        except (OSError, http.client.HTTPException) as error:
            raise self._not_downloaded(f"it broke off: {error}") from error

    def _not_downloaded(self, why: str) -> WeightsAbsentError:
        return self._absent(f"could not be downloaded ({why})")

    def _absent(self, what: str) -> WeightsAbsentError:
        other = f", give it with {self.named_as}" if self.named_as else ""
        return WeightsAbsentError(
            f"{self.network}'s weights {what}",
            f"Fetch {self.url} and place it at {self.location}{other}, or {self.otherwise}.",
        )


def _why(error: Exception) -> str:
    """Why a URL could not be opened, without the wrapping that `urllib` puts around it."""
    if isinstance(error, urllib.error.HTTPError) or not isinstance(error, OSError):
        return str(error)
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = f"the server's certificate is not trusted ({cause.verify_message}): this Python may have no certificates"
        if sys.platform == "darwin":  # that of python.org brings none until then
            why += (
                '; run "Install Certificates.command" in its folder of Applications, and try again'
            )
        return why
    return f"no connection: {getattr(cause, 'strerror', None) or cause}"


def file_digest(path: Path) -> str:
    """The sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_tensors(
    path: Path, named: str, wanted: str, *, otherwise: str = USE_RANDOM
) -> dict[str, Tensor]:
    """The tensors of a file that `torch.save` wrote, or of a safetensors file; pickled objects are never loaded.

    Args:
        path: The file.
        named: How the user named it, for messages.
        wanted: What it should be, for messages.
        otherwise: What a user can do without it, for messages.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        UserError: If the file is absent, damaged, or holds anything but tensors by name.
    """
    if not path.is_file():
        raise UserError(f"{named} is not a file, but must be {wanted}. Check the path.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on foreign pickles, which are refused right below
            state: Any = (
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
    except pickle.UnpicklingError as error:
        fault = "is damaged or holds pickled objects, which are never loaded"
        raise unfit(named, fault, wanted, otherwise) from error
    except (EOFError, LookupError) as error:  # what pickle says of a stream that is not its own
        raise unfit(named, "is empty or of another format", wanted, otherwise) from error
    except Exception as error:
        fault = f"{type(error).__name__}: {error}".splitlines()[0][:100]
        raise unfit(named, f"cannot be read ({fault})", wanted, otherwise) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise unfit(named, "does not hold tensors by name", wanted, otherwise)
    return state


def check_fit(
    state: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    named: str,
    wanted: str,
    *,
    otherwise: str = USE_RANDOM,
) -> None:
    """Refuses tensors that are not those of a network, or not finite.

    Args:
        state: Tensors by name.
        expected: Tensors of the right names and shapes, on any device.
        named: How the user named the file, for messages.
        wanted: What it should be, for messages.
        otherwise: What a user can do without it, for messages.

    Raises:
        UserError: Naming the first difference.
    """
    missing = sorted(expected.keys() - state.keys())
    unknown = sorted(state.keys() - expected.keys())
    if missing or unknown:
        fault = (
            f"lacks {len(missing)} tensors (first: {missing[:1]}) and has {len(unknown)} unknown"
            f" ones (first: {unknown[:1]})"
        )
        raise unfit(named, fault, wanted, otherwise)
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            fault = f"has {name} of shape {tuple(state[name].shape)} instead of"
            raise unfit(named, f"{fault} {tuple(tensor.shape)}", wanted, otherwise)
        if not bool(torch.isfinite(state[name]).all()):
            raise unfit(named, f"has values in {name} that are not finite", wanted, otherwise)


def unfit(named: str, fault: str, wanted: str, otherwise: str = USE_RANDOM) -> UserError:
    """What is told of a file of weights that cannot be used.

    Args:
        named: How the user named the file.
        fault: What is wrong with it.
        wanted: What it should be.
        otherwise: What a user can do without it.
    """
    return UserError(
        f"{named} {fault}, but must be {wanted}, tensors by name. Give such a file, or {otherwise}."
    )
