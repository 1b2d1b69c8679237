from pathlib import Path

import pytest

from tests.docs.documents import ROOT, documents, text_of
from tests.docs.links import anchors, dead_link, is_there, links, paths

ALL = [*documents(), "CHANGELOG.md"]


@pytest.mark.parametrize("document", ALL)
def test_links_lead_somewhere(document: str) -> None:
    file = ROOT / document
    dead = [fault for target in links(text_of(document)) if (fault := dead_link(file, target))]
    assert not dead, f"{document}: {dead}"


@pytest.mark.parametrize("document", ALL)
def test_files_that_are_named_are_there(document: str) -> None:
    absent = [path for path in paths(text_of(document)) if not is_there(path)]
    assert not absent, f"{document} names {absent}"


def test_links_are_found_and_code_is_none() -> None:
    text = """\
# A
[x](a.md), ![y](b.png "title") and [`c`](c.md#d) `[no](d.md)`
<img alt="" src="g.png">
```
[no](h.md)
```
[r]: i.md
"""
    assert set(links(text)) == {"a.md", "b.png", "c.md#d", "g.png", "i.md"}


def test_headings_have_the_names_that_they_have_elsewhere() -> None:
    text = """\
# What r_t, r_v and `p` say
## ViT or ResNet?
## Twice
## Twice
## Own {#mine}
<a id="spot"></a>
```
# no heading
```
"""
    assert anchors(text) == {
        *("what-r_t-r_v-and-p-say", "vit-or-resnet", "twice", "twice-1", "mine", "spot"),
    }


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("there.md", None),
        ("there.md#a-heading", None),
        ("#own", None),
        ("https://arxiv.org/abs/2006.06676", None),
        ("absent.md", "there is no absent.md"),
        ("there.md#another", "there.md has no heading"),
        ("#others", "no heading"),
    ],
)
def test_a_dead_link_is_seen(target: str, expected: str | None, tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading\n")
    here = tmp_path / "here.md"
    here.write_text("# Own\n")
    found = dead_link(here, target)
    assert found is None if expected is None else expected in (found or "")


def test_a_path_that_is_not_there_is_seen() -> None:
    named = paths("`benchmarks/results/h100.md` and `docs/absent.md`, `runs/x.md`, docs/no_code.md")
    assert named == ["benchmarks/results/h100.md", "docs/absent.md"]
    assert [is_there(path) for path in named] == [True, False]
