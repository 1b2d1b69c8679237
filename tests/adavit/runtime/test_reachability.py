"""Connections to the loopback address, to names that are none, and past a proxy."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from adavit.runtime import reachability
from adavit.runtime.reachability import is_reachable

LISTENING = ("127.0.0.1", 0)


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", dict)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(LISTENING) as listening:
        yield listening


def url_of(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_who_listens_is_reached_though_he_says_nothing(server: socket.socket) -> None:
    assert is_reachable(url_of(server))
    assert is_reachable(f"{url_of(server)}/a/path")


def test_who_does_not_listen_is_not_waited_for(server: socket.socket) -> None:
    url = url_of(server)
    server.close()
    started = time.monotonic()
    assert not is_reachable(url)
    assert time.monotonic() - started < reachability.CONNECTING_S / 2


def test_an_address_that_is_silent_is_waited_for_no_longer_than_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reachability, "CONNECTING_S", 0.2)
    with contextlib.ExitStack() as opened:
        full = opened.enter_context(socket.create_server(LISTENING, backlog=0))
        for _ in range(4):  # who comes behind them gets no answer
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        time.sleep(0.05)
        started = time.monotonic()
        reached = is_reachable(url_of(full))
        assert not reached
        assert 0.2 <= time.monotonic() - started < 2


def test_one_address_that_answers_is_enough(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = socket.create_server(LISTENING)
    silent = taken.getsockname()
    taken.close()
    stream = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    addresses = [(*stream, silent), (*stream, server.getsockname())]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    assert is_reachable("https://hub.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses[:1])
    assert not is_reachable("https://hub.example")


@pytest.mark.parametrize(("url", "port"), [("https://a", 443), ("http://a", 80), ("http://a:8", 8)])
def test_the_port_is_that_of_the_address(
    monkeypatch: pytest.MonkeyPatch, url: str, port: int
) -> None:
    asked = []

    def unknown(*where: object, **_: object) -> None:
        asked.append(where)
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not is_reachable(url)
    assert asked == [("a", port)]


def test_behind_a_proxy_nothing_is_tried(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = url_of(server)
    server.close()
    for scheme in ("http", "all"):
        monkeypatch.setattr("urllib.request.getproxies", lambda key=scheme: {key: "http://b:3128"})
        monkeypatch.setattr("urllib.request.proxy_bypass", lambda _: False)
        assert is_reachable(url)
        monkeypatch.setattr("urllib.request.proxy_bypass", lambda _: True)
        assert not is_reachable(url)
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"ftp": "http://b:3128"})
    assert not is_reachable(url)
