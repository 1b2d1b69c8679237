"""What MkDocs does beyond its own: it reads Markdown as sites of code do, and shows what lies outside of docs/.

Tables of `benchmarks/results`, CONTRIBUTING.md and others are pages of the site without a place in its menu. Where a
document names one of them in code, or links to it, the page links there. The first page begins as README.md does.
"""

import atexit
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ("benchmarks/results/*.*", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""What the site has of the rest of the repository, under the same paths."""

HEAD = "<!-- the head of README.md -->"
"""Where a page has what README.md says between its title and its first heading."""

OTHER_FILES = ("*.css", "*.html", "*.j2", "*.js", "*.safetensors", "*.yaml")

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"^([-*+]|\d+\.) ")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_NAMED = re.compile(r"(?<![`\[])`([\w./-]+\.(?:md|txt|json))`(?![`\]])")


@event_priority(50)  # before the plugin that reads the sources
def on_config(config: Any) -> Any:
    """Lays the package out as it is installed: griffe, which reads docstrings, does not follow links to folders."""
    house = tempfile.TemporaryDirectory(prefix="adavit-docs-")
    atexit.register(house.cleanup)
    only_sources = shutil.ignore_patterns("__pycache__", *OTHER_FILES)
    shutil.copytree(ROOT / "adavit", Path(house.name) / "adavit", ignore=only_sources)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [house.name]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds what lies beside docs/."""
    for pattern in BESIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links what is named, puts in the head of README.md, and separates lists and tables from the lines before them."""
    here = page.file.src_uri
    of_site = {_in_repository(file): file.src_uri for file in files if file.abs_src_path}
    linked = with_links(markdown, _in_repository(page.file), here, of_site)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    head = with_links(head_of(readme), "README.md", here, of_site)
    return with_blank_lines(linked.replace(HEAD, head))


def head_of(readme: str) -> str:
    """What a document says between its title and its first heading."""
    _, _, below = readme.partition("\n")
    return below.partition("\n## ")[0].strip()


def _in_repository(file: File) -> str:
    path = Path(file.abs_src_path or "")
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""


def with_links(markdown: str, path: str, here: str, of_site: Mapping[str, str]) -> str:
    """Markdown whose links stay on the site; of what is not there the path is written out.

    Args:
        markdown: Of a page.
        path: Of the page in the repository.
        here: Of the page on the site.
        of_site: Paths on the site by paths in the repository.
    """

    def to(target: str) -> str:
        return posixpath.relpath(of_site[target], posixpath.dirname(here) or ".")

    def linked(match: re.Match[str]) -> str:
        mark, text, target = match.groups()
        file, sharp, anchor = target.partition("#")
        if not file or ":" in file:
            return match[0]
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
        if joined in of_site:
            return f"{mark}[{text}]({to(joined)}{sharp}{anchor})"
        if joined.startswith("docs/"):
            return match[0]  # MkDocs shall say that it is not there
        return text if text.strip("`") == joined else f"{text} (`{joined}`)"

    def named(match: re.Match[str]) -> str:
        is_other = match[1] in of_site and match[1] != path
        return f"[`{match[1]}`]({to(match[1])})" if is_other else match[0]

    return "\n".join(
        text if is_code else _NAMED.sub(named, _LINK.sub(linked, text))
        for is_code, text in _parts(markdown)
    )


def with_blank_lines(markdown: str) -> str:
    """Markdown with a blank line before each list and table that follows a line of text, for Python-Markdown."""
    return "\n".join(
        text if is_code else _with_blank_lines(text) for is_code, text in _parts(markdown)
    )


def _with_blank_lines(text: str) -> str:
    lines: list[str] = []
    kind = ""  # of the paragraph that the last line is in
    for line in text.split("\n"):
        begins = "item" if _ITEM.match(line) else "row" if line.startswith("|") else ""
        if begins and kind not in ("", begins):
            lines.append("")
        if not line.strip():
            kind = ""
        elif begins or not kind:
            kind = begins or ("heading" if line.startswith("#") else "text")
        lines.append(line)
    return "\n".join(lines)


def _parts(markdown: str) -> Iterator[tuple[bool, str]]:
    """Text and fenced blocks in turn, as (is a block, lines)."""
    held: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        match = _FENCE.match(line)
        if match and not fence:
            if held:
                yield False, "\n".join(held)
            held, fence = [line], match[1]
        elif match and match[1].startswith(fence) and line.strip() == match[1]:
            yield True, "\n".join([*held, line])
            held, fence = [], ""
        else:
            held.append(line)
    if held:
        yield bool(fence), "\n".join(held)
