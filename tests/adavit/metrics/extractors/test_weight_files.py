import hashlib
import http.server
import pickle
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adavit.errors import UserError
from adavit.metrics.extractors import weight_files
from adavit.metrics.extractors.inception import INCEPTION_WEIGHTS, expected_state
from adavit.metrics.extractors.weight_files import (
    HashedFile,
    WeightFile,
    WeightsAbsentError,
    file_digest,
    read_tensors,
)

CONTENT = b"not really weights " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path not in ("/weights.pth", "/short.pth", "/unmeasured.pth"):
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/unmeasured.pth":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // (2 if self.path == "/short.pth" else 1)])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def weights(url: str, digest_prefix: str | None = DIGEST) -> WeightFile:
    return WeightFile("Inception", url, digest_prefix, "--inception-weights FILE")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    return INCEPTION_WEIGHTS.read(path, expected_state())


def test_weights_are_looked_for_where_torch_fidelity_keeps_them(empty_torch_home: Path) -> None:
    expected = empty_torch_home / "weights-inception-2015-12-05-6726825d.pth"
    assert INCEPTION_WEIGHTS.location == expected


def test_missing_weights_are_downloaded_once(empty_torch_home: Path, server: str) -> None:
    path = weights(f"{server}/weights.pth").find().path
    assert path.read_bytes() == CONTENT
    assert list(empty_torch_home.iterdir()) == [path]  # no temporary file is left
    assert weights("http://127.0.0.1:1/weights.pth").find().path == path


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.pth").write_bytes(CONTENT)
    found = HashedFile(tmp_path / "weights.pth")
    assert found.digest == hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(weight_files, "file_digest", None)
    assert found.digest.startswith(hashlib.sha256(CONTENT).hexdigest()[:8])


def test_download_with_another_digest_is_refused_and_leaves_nothing(
    empty_torch_home: Path, server: str
) -> None:
    with pytest.raises(WeightsAbsentError, match=r"sent a file with the sha256 .*6726825d"):
        weights(f"{server}/weights.pth", "6726825d").find()
    assert list(empty_torch_home.iterdir()) == []


def test_a_file_without_a_published_digest_is_taken_as_it_comes(
    empty_torch_home: Path, server: str
) -> None:
    path = weights(f"{server}/weights.pth", None).find().path
    assert path == empty_torch_home / "weights.pth"


def test_a_download_that_ends_early_is_not_taken_for_whole(
    empty_torch_home: Path, server: str
) -> None:
    with pytest.raises(WeightsAbsentError, match="it broke off after 9500 of 19000 bytes"):
        weights(f"{server}/short.pth", None).find()
    assert list(empty_torch_home.iterdir()) == []
    # Of some servers nobody knows how much they will send.
    found = weights(f"{server}/unmeasured.pth", None).find()
    assert found.path.read_bytes() == CONTENT


def test_refused_download_names_the_file_to_place_and_the_flag(
    empty_torch_home: Path, server: str
) -> None:
    with pytest.raises(WeightsAbsentError) as caught:
        weights(f"{server}/gone.pth").find()
    message = str(caught.value)
    assert "404" in message
    assert str(empty_torch_home / "gone.pth") in message
    assert "give it with --inception-weights FILE, or use extractor random." in message
    assert message.count(server) == 1


def test_download_is_not_tried_where_it_is_not_allowed(empty_torch_home: Path) -> None:
    with pytest.raises(WeightsAbsentError, match="downloads are off"):
        INCEPTION_WEIGHTS.find(allow_download=False)
    assert not empty_torch_home.exists()


@pytest.mark.usefixtures("empty_torch_home")
def test_a_closed_port_fails_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        start = time.perf_counter()
        with pytest.raises(
            WeightsAbsentError,
            match=r"could not be downloaded \(no connection: Connection refused\)\. Fetch",
        ):
            weights(f"http://127.0.0.1:{unused.getsockname()[1]}/weights.pth").find()
    assert time.perf_counter() - start < 2


@pytest.mark.usefixtures("empty_torch_home")
@pytest.mark.parametrize("system", ["linux", "darwin"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_python_without_certificates_is_told_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, system: str, wrapped: bool
) -> None:
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "unable to get local issuer certificate"

    def urlopen(url: str, *, timeout: float) -> None:
        raise urllib.error.URLError(refused) if wrapped else refused

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(WeightsAbsentError) as caught:
        weights("https://weights.invalid/weights.pth").find()
    message = str(caught.value)
    assert "not trusted (unable to get local issuer certificate): this Python may have" in message
    assert ('run "Install Certificates.command"' in message) == (system == "darwin")


@pytest.mark.usefixtures("empty_torch_home")
def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "CONNECT_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.perf_counter()
        with pytest.raises(
            WeightsAbsentError, match=r"could not be downloaded \(no answer within 0\.3 s\)"
        ):
            weights(f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pth").find()
    assert time.perf_counter() - start < 2


def test_offline_is_found_out_within_five_seconds() -> None:
    assert weight_files.CONNECT_SECONDS < 5


def test_a_folder_that_cannot_be_written_counts_as_absent(
    empty_torch_home: Path, server: str
) -> None:
    empty_torch_home.parent.mkdir(parents=True)
    empty_torch_home.write_text("a file where the folder should be")
    with pytest.raises(
        WeightsAbsentError,
        match=r"could not be written to .* \((Not a directory|File exists)\)",
    ):
        weights(f"{server}/weights.pth").find()


def test_a_damaged_file_at_the_location_is_refused_by_its_digest(empty_torch_home: Path) -> None:
    empty_torch_home.mkdir(parents=True)
    INCEPTION_WEIGHTS.location.write_bytes(CONTENT)
    with pytest.raises(UserError, match=r"its name promises 6726825d\. Delete it") as caught:
        INCEPTION_WEIGHTS.find()
    assert not isinstance(caught.value, WeightsAbsentError)  # `auto` must not hide it


class _Hostile:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.trace)!r}, 'w').close()",)


def _write_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("write", [_write_pickle, lambda path, x: torch.save(x, path)])
def test_a_hostile_file_is_refused_and_never_run(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    path, trace = tmp_path / "hostile.pth", tmp_path / "trace"
    write(path, {"Conv2d_1a_3x3.conv.weight": _Hostile(trace)})
    with pytest.raises(UserError, match=r"^--inception-weights .*hostile.pth"):
        read_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize("kept_bytes", [0, 3, 1000, 50_000_000])
def test_a_truncated_file_is_refused(tmp_path: Path, inception_file: Path, kept_bytes: int) -> None:
    path = tmp_path / "short.pth"
    path.write_bytes(inception_file.read_bytes()[:kept_bytes])
    with pytest.raises(UserError, match=r"^--inception-weights .*short\.pth"):
        read_weights(path)


@pytest.mark.parametrize("name", ["absent.pth", "."])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"is not a file, but must be .*Check the path"):
        read_weights(tmp_path / name)


def test_files_that_do_not_fit_the_network_are_refused(
    tmp_path: Path, inception_state: dict[str, torch.Tensor]
) -> None:
    missing = dict(inception_state)
    del missing["fc.bias"]
    misshapen = inception_state | {"fc.bias": torch.zeros(1000)}
    unknown = inception_state | {"head.bias": torch.zeros(3)}
    broken = inception_state | {"fc.bias": torch.full((1008,), float("nan"))}
    cases = [
        (missing, r"lacks 1 tensors \(first: \['fc.bias'\]\)"),
        (misshapen, r"fc.bias of shape \(1000,\) instead of \(1008,\)"),
        (unknown, r"1 unknown ones \(first: \['head.bias'\]\)"),
        (broken, "fc.bias that are not finite"),
        ([torch.zeros(3)], "does not hold tensors by name"),
        ({"fc.bias": 3}, "does not hold tensors by name"),
    ]
    for content, message in cases:
        torch.save(content, tmp_path / "unfit.pth")
        with pytest.raises(UserError, match=message):
            read_weights(tmp_path / "unfit.pth")


def test_a_fitting_file_is_read_whole(
    inception_file: Path, inception_state: dict[str, torch.Tensor]
) -> None:
    state = read_weights(inception_file)
    assert state.keys() == inception_state.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in inception_state.items())
    assert len(file_digest(inception_file)) == 64


@pytest.mark.parametrize(
    "content",
    [b"", b"root:x:0:0:root:/root:/bin/bash\n", b"h\x00.", b"PK\x03\x04" + bytes(40), CONTENT],
)
def test_whatever_else_a_file_holds_is_refused_with_its_name(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"other\.pth .*but must be weights"):
        read_tensors(path, f"--weights {path}", "weights")


def test_safetensors_are_read_by_their_suffix(tmp_path: Path) -> None:
    state = {"a": torch.arange(3.0)}
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    assert torch.equal(read_tensors(path, "FILE", "weights")["a"], state["a"])
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match=r"FILE cannot be read \(SafetensorError"):
        read_tensors(path, "FILE", "weights")
