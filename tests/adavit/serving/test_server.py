"""The server as any program of this machine meets it, by sockets."""

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from adavit.errors import UserError
from adavit.serving.server import HEADERS, StudioServer
from adavit.serving.site import Reply
from tests.adavit.serving.serving import serving


class Echo:
    """A site that replies what it was asked for."""

    def reply(self, target: str) -> Reply:
        if target == "/fault":
            raise KeyError("secret of a traceback")
        if target == "/full":
            return Reply.refusal(503, "full")
        return Reply(target.encode())


@pytest.fixture(scope="module")
def server() -> Iterator[StudioServer]:
    with serving(Echo()) as server:
        yield server


def said(server: StudioServer, request: str) -> str:
    """The whole answer to a request."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request.encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def status(server: StudioServer, *lines: str, start: str = "GET /a HTTP/1.1") -> int:
    return int(said(server, "\r\n".join([start, *lines, "", ""])).split()[1])


def test_it_listens_on_the_loopback_address_alone(server: StudioServer) -> None:
    assert server.server_address == ("127.0.0.1", server.port)


def test_own_pages_are_answered(server: StudioServer) -> None:
    for name in ("127.0.0.1", "localhost"):
        own = f"{name}:{server.port}"
        assert status(server, f"Host: {own}") == 200
        assert status(server, f"Host: {own}", f"Origin: http://{own}") == 200


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Host: evil.example:PORT"],
        ["Host: 127.0.0.1"],
        ["Host: 127.0.0.1:1"],
        ["Host: 127.0.0.1:PORT.evil.example"],
        ["Host: [::1]:PORT"],
        ["Host: 0.0.0.0:PORT"],
        ["Host: 127.0.0.1:PORT", "Host: evil.example"],
        ["Host: 127.0.0.1:PORT", "Origin: http://evil.example"],
        ["Host: 127.0.0.1:PORT", "Origin: null"],
        ["Host: 127.0.0.1:PORT", "Origin: http://localhost:1"],
        ["Host: 127.0.0.1:PORT", "Origin: https://127.0.0.1:PORT"],
        ["Host: 127.0.0.1:PORT", "Origin: http://127.0.0.1:PORT", "Origin: http://evil.example"],
    ],
)
def test_other_names_and_pages_are_not(lines: list[str], server: StudioServer) -> None:
    told = [line.replace("PORT", str(server.port)) for line in lines]
    assert status(server, *told) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW"])
def test_only_get_is_known(method: str, server: StudioServer) -> None:
    answer = said(server, f"{method} /a HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n")
    assert answer.startswith("HTTP/1.0 405 ")
    assert "Allow: GET" in answer
    assert method not in answer  # nothing of the request is quoted


def test_what_is_no_request_is_refused_without_a_word_of_it(server: StudioServer) -> None:
    for request in (
        "<script>\r\n\r\n",
        "GET /a HTTP/9.9\r\n\r\n",
        f"GET /{'a' * 70_000} HTTP/1.1\r\n",
    ):
        answer = said(server, request)
        assert answer.split()[1] in ("400", "414", "505")
        assert "<script>" not in answer


def test_every_reply_says_how_it_may_be_used(server: StudioServer) -> None:
    for target, code in (("/a", 200), ("/full", 503)):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", target)
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (code, b"/a" if code == 200 else b"full\n")
        assert HEADERS.items() <= dict(reply.getheaders()).items()
        assert reply.getheader("Server") == "adavit"
        assert (reply.getheader("Retry-After") is not None) == (code == 503)
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_mistake_of_ours_is_told_in_the_terminal_and_not_in_the_reply(
    server: StudioServer, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = said(server, f"GET /fault HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n")
    assert answer.startswith("HTTP/1.0 500 ")
    assert "secret" not in answer
    assert "Traceback" not in answer
    assert status(server, f"Host: localhost:{server.port}") == 200  # it goes on
    assert "KeyError: 'secret of a traceback'" in capfd.readouterr().err


def test_too_many_connections_are_closed(server: StudioServer) -> None:
    place = ("127.0.0.1", server.port)
    held = [socket.create_connection(place, timeout=20) for _ in range(64)]
    try:
        with socket.create_connection(place, timeout=20) as one_more:
            assert one_more.recv(1) == b""
    finally:
        for connection in held:
            connection.close()


def test_a_port_in_use_is_told(server: StudioServer) -> None:
    with pytest.raises(UserError, match=f"--port is {server.port}, which cannot be had .*in use"):
        StudioServer(server.port)


@pytest.mark.parametrize("port", [-1, 65536, 70_000])
def test_a_number_that_is_no_port_is_told(port: int) -> None:
    with pytest.raises(UserError, match=rf"--port is {port}, which cannot be had \(ports are 0"):
        StudioServer(port)


def test_connections_that_found_no_thread_leave_their_places(
    server: StudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    place = ("127.0.0.1", server.port)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(70):
            with socket.create_connection(place, timeout=20) as connection:
                assert connection.recv(1) == b""
    with socket.create_connection(place, timeout=20) as connection:
        connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        assert connection.recv(4) == b"HTTP"
