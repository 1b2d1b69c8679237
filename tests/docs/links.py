"""Links, anchors and paths in Markdown."""

import re
import unicodedata
from pathlib import Path

from tests.docs.documents import ROOT, prose

_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HTML = re.compile(r"<(?:a|img|source)\s[^>]*?(?:href|src)=\"([^\"]+)\"")
_REFERENCE = re.compile(r"^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$", re.MULTILINE)
_OWN_NAME = re.compile(r"\{[^}]*#([\w-]+)[^}]*\}\s*$")
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_PATH = re.compile(
    r"^(?:\.ci|adavit|augment|benchmarks|cli|configs|docs|examples|tests)/[\w./-]+$|^[A-Z]+\.(?:md|cff)$"
)

NOT_THERE = ("adavit/a/b.py", "tests/adavit/a/test_b.py")
"""Paths that stand for others."""


def links(text: str) -> list[str]:
    """Targets of the links and images of a document, in code none."""
    bare = _CODE.sub("", prose(text))
    return [target for kind in (_LINK, _HTML, _REFERENCE) for target in kind.findall(bare)]


def anchors(text: str) -> set[str]:
    """What `#...` may name in a document: headings as sites of code and ours call them, and names that are given."""
    found: dict[str, int] = {}
    names = set(re.findall(r"\b(?:id|name)=\"([^\"]+)\"", prose(text)))
    for _, heading in _HEADING.findall(prose(text)):
        own = _OWN_NAME.search(heading)
        if own:
            names.add(own[1])
            continue
        slug = _slug(heading)
        times = found.get(slug, 0)
        found[slug] = times + 1
        names.add(f"{slug}-{times}" if times else slug)
    return names


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    plain = unicodedata.normalize("NFC", plain).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def dead_link(document: Path, target: str) -> str | None:
    """Why a link leads nowhere; None of one that does, and of those to other places on the internet.

    Args:
        document: The file that it stands in.
        target: As it is written.
    """
    if _ELSEWHERE.match(target):
        return None
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    if not file.exists():
        return f"{target}: there is no {path}"
    if not file.is_relative_to(ROOT.resolve()) and document.is_relative_to(ROOT):
        return f"{target} leads out of the repository"
    if anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
        return f"{target}: {file.name} has no heading of that name"
    return None


def paths(text: str) -> list[str]:
    """Paths in the repository that a document names in code."""
    code = [match[2].strip() for match in _CODE.finditer(prose(text))]
    named = [word for span in code for word in span.split() if _PATH.match(word)]
    return [name for name in named if name not in NOT_THERE]


def is_there(path: str) -> bool:
    return (ROOT / path).exists()
