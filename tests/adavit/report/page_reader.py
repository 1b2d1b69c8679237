"""A page of a report, taken apart."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

EVIL = "</script><script>document.title='evil'</script><img src=x onerror=alert(1)>"
"""A name that would run a script if it were not text."""


class Page(HTMLParser):
    """Tags with their attributes, and the text of the data element."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.data = ""
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        kind = dict(attrs).get("type")
        self._inside = f"{tag} {kind or ''}".strip()

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script application/json":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.text += data

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data)
        return found
