"""A server of a site in a thread of its own."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from adavit.serving.server import StudioServer


@contextlib.contextmanager
def serving(site: Any) -> Iterator[StudioServer]:
    """Listens at a free port and answers with `site` meanwhile."""
    stop = threading.Event()
    with StudioServer(0) as server:
        thread = threading.Thread(target=server.serve, args=(site, stop.is_set))
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            thread.join(20)
    assert not thread.is_alive()
