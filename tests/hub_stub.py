"""A hub of models on the loopback address: what huggingface_hub asks for to make a repository, fill it and read it."""

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "c" * 40


class HubStub(ThreadingHTTPServer):
    """Keeps the files of its repositories and all that was asked.

    Attributes:
        repositories: Files by name, by USER/NAME.
        private: Whether each repository was made private.
        asked: "METHOD path" of each request.
        token: Who does not send it is refused; None lets everyone in.
        delay_s: Seconds that it takes to answer what is read.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.stored: dict[str, bytes] = {}
        self.token: str | None = None
        self.delay_s = 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def running_hub() -> Iterator[HubStub]:
    """A hub that answers until the block ends."""
    with HubStub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: HubStub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._read()

    def do_GET(self) -> None:
        self._read()

    def do_PUT(self) -> None:
        self.server.asked.append(f"PUT {self.path}")
        self.server.stored[self.path.rpartition("/")[2]] = self._body()
        self._answer(b"")

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.path}")
        body = self._body()
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._answer(b"{}", 401)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            self.server.private.setdefault(
                name, asked.get("private") is True or asked.get("visibility") == "private"
            )
            self._json({"url": f"{self.server.address}/{name}"})
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [
                {"path": each["path"], **_mode(each["path"])} for each in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": self._upload(each)} for each in json.loads(body)["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})
        elif "/commit/" in self.path:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                self._commit(self.server.repositories[name], line["key"], line["value"])
            url = f"{self.server.address}/{name}/commit/{COMMIT}"
            self._json({"success": True, "commitUrl": url, "commitOid": COMMIT})
        else:
            self._answer(b"{}", 404)

    def _upload(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"upload": {"href": f"{self.server.address}/lfs/{asked['oid']}"}}

    def _commit(self, files: dict[str, bytes], key: str, value: dict[str, Any]) -> None:
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            files[value["path"]] = self.server.stored[value["oid"]]

    def _read(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        time.sleep(self.server.delay_s)
        if self.path.startswith("/api/models/"):
            name = self.path.removeprefix("/api/models/").partition("?")[0]
            if name in self.server.private:
                self._json({"id": name, "private": self.server.private[name]})
            else:
                self._answer(b"", 404, {"X-Error-Code": "RepoNotFound"})
            return
        name, _, path = self.path.lstrip("/").partition("/resolve/main/")
        files = self.server.repositories.get(name)
        if files is None:
            self._answer(b"", 404, {"X-Error-Code": "RepoNotFound"})
        elif path not in files:
            self._answer(b"", 404, {"X-Error-Code": "EntryNotFound"})
        else:
            digest = hashlib.sha256(files[path]).hexdigest()
            self._answer(files[path], headers={"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, value: object) -> None:
        self._answer(json.dumps(value).encode())

    def _answer(
        self, content: bytes, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _mode(path: str) -> dict[str, Any]:
    """Weights are stored apart, as the real hub does with what is large."""
    large = path.endswith(".safetensors")
    return {"uploadMode": "lfs" if large else "regular", "shouldIgnore": False}


@contextlib.contextmanager
def hub_for_tests(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    """A hub that huggingface_hub takes for the hub, with a cache and a token of its own.

    Large files go by git-lfs, as where hf_xet is not installed.
    """
    constants = pytest.importorskip("huggingface_hub.constants")
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield hub
