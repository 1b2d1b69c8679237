"""The server of the studio: the loopback address alone, GET alone, and no page of another site."""

import os
import socketserver
import sys
import threading
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from adavit.errors import UserError
from adavit.serving.site import Reply, Site

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")
"""Of this machine, as browsers write them."""

MOST_CONNECTIONS = 64
"""At a time, of whoever: each has a thread."""

PATIENCE_SECONDS, LOOK_SECONDS = 10.0, 0.2
"""How long a connection may be silent, and how often the server looks whether it is to stop."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every reply: the page runs no script but its own files, and nobody keeps, frames or embeds it."""


class _Handler(BaseHTTPRequestHandler):
    server: "StudioServer"
    timeout = PATIENCE_SECONDS
    default_request_version = "HTTP/1.0"  # what is no request is refused with all headers, too

    def do_GET(self) -> None:
        try:
            reply = self.server.answer(self.path, self.headers)
        except Exception:  # a mistake of ours: its traceback is for the terminal, not for the page
            told = "The drawing failed; the terminal that adavit studio runs in says why."
            self._send(Reply.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, told))
            raise
        self._send(reply)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses, without the page that it would quote the request in."""
        status = HTTPStatus(code)
        if status == HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self.close_connection = True
        self._send(Reply.refusal(status, f"{status.phrase}."))

    def version_string(self) -> str:
        """Of the header Server: not which Python it is."""
        return "adavit"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line per picture would drown the address."""

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.content)))
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        if reply.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.content)


class StudioServer(ThreadingHTTPServer):
    """Listens from the start, so that a port in use is told at once; answers once it has a site.

    Args:
        port: 0 takes any free one.

    Attributes:
        port: The one it listens at.

    Raises:
        UserError: If the port cannot be had.
    """

    allow_reuse_address = os.name == "posix"  # elsewhere two programs would share the port
    request_queue_size = MOST_CONNECTIONS
    timeout = LOOK_SECONDS

    def __init__(self, port: int) -> None:
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "ports are 0 to 65535"
            raise UserError(
                f"--port is {port}, which cannot be had ({reason}), expected one that no other program"
                " listens at. Choose another, or leave --port out for any free one."
            ) from None
        self.port: int = self.server_address[1]
        shown = "" if self.port == 80 else f":{self.port}"  # browsers leave the usual port out
        self._hosts = {f"{name}{shown}" for name in NAMES}
        self._site: Site | None = None
        self._connections = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def server_bind(self) -> None:
        """As a plain server: the name that HTTPServer asks the network for is not needed."""
        socketserver.TCPServer.server_bind(self)

    def serve(self, site: Site, stop: Callable[[], bool]) -> None:
        """Answers requests until it is to stop.

        Args:
            site: What is answered.
            stop: Looked at every `LOOK_SECONDS`.
        """
        self._site = site
        while not stop():
            self.handle_request()

    def answer(self, target: str, headers: Message) -> Reply:
        """The reply to a GET.

        A name of another site that leads to this address (DNS rebinding) shows in Host, and a request of
        another site's page in Origin.
        """
        hosts, origins = headers.get_all("Host", []), headers.get_all("Origin", [])
        own = {f"http://{host}" for host in self._hosts}
        if len(hosts) != 1 or hosts[0] not in self._hosts or not own.issuperset(origins):
            told = "Only pages of this address are answered."
            return Reply.refusal(HTTPStatus.FORBIDDEN, told)
        assert self._site is not None
        return self._site.reply(target)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, unless there are too many."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system has no thread for it
            self._connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Makes room for another when it is done."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that leaves before its reply is no mistake; all else is shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
