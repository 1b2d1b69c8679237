"""Whether a server can be connected to at all, found out before a library tries again and again."""

import contextlib
import errno
import selectors
import socket
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

CONNECTING_S = 5.0
"""Seconds in which a connection must come about: enough for two lost packets, each sent again."""

_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


def is_reachable(url: str) -> bool:
    """Whether a connection to a server comes about within `CONNECTING_S`; how slowly it answers then is not asked.

    Args:
        url: Such as "https://huggingface.co". Where the environment names a proxy for it, which connects in our
            stead, nothing is tried.
    """
    parts = urlsplit(url)
    host, proxies = parts.hostname or "", urllib.request.getproxies()
    if (parts.scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(host):
        return True
    try:
        port = parts.port or (80 if parts.scheme == "http" else 443)
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # no such name, and what can be none
        return False
    return _any_connects(addresses, time.monotonic() + CONNECTING_S)


def _any_connects(addresses: list[tuple[Any, ...]], until: float) -> bool:
    """All at once: a way that leads nowhere keeps none of the others waiting."""
    with contextlib.ExitStack() as opened:
        trying = opened.enter_context(selectors.DefaultSelector())
        for family, kind, protocol, _, address in addresses:
            with contextlib.suppress(OSError):  # a family that this machine does not speak
                one = opened.enter_context(socket.socket(family, kind, protocol))
                one.setblocking(False)
                if one.connect_ex(address) in _UNDER_WAY:
                    trying.register(one, selectors.EVENT_WRITE)
        while trying.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in trying.select(left):
                ended = key.fileobj
                assert isinstance(ended, socket.socket)
                if ended.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    return True
                trying.unregister(ended)
    return False
