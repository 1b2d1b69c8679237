import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")

from docs.hooks import HEAD, head_of, with_blank_lines, with_links
from tests.docs.documents import text_of

OF_SITE = {
    "docs/start.md": "start.md",
    "docs/api.md": "api.md",
    "docs/curves.png": "curves.png",
    "benchmarks/results/h100.md": "benchmarks/results/h100.md",
    "benchmarks/results/work.png": "benchmarks/results/work.png",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](api.md#x) ![b](curves.png)", "[a](api.md#x) ![b](curves.png)"),
        ("[a](#x) [b](https://arxiv.org/abs/1)", "[a](#x) [b](https://arxiv.org/abs/1)"),
        ("[h](../benchmarks/results/h100.md)", "[h](benchmarks/results/h100.md)"),
        ("[c](../CONTRIBUTING.md#where-things-are)", "[c](CONTRIBUTING.md#where-things-are)"),
        ("[the queue](../configs/a.yaml)", "the queue (`configs/a.yaml`)"),
        ("[`configs/a.yaml`](../configs/a.yaml)", "`configs/a.yaml`"),
        ("[gone](gone.md)", "[gone](gone.md)"),
        ("`benchmarks/results/h100.md`", "[`benchmarks/results/h100.md`](benchmarks/results/h100.md)"),
        ("`docs/api.md`, `docs/start.md`", "[`docs/api.md`](api.md), `docs/start.md`"),
        ("`benchmarks/results/none.md`", "`benchmarks/results/none.md`"),
        ("```\n[c](../CONTRIBUTING.md)\n```", "```\n[c](../CONTRIBUTING.md)\n```"),
    ],
)  # fmt: skip
def test_links_of_a_page_stay_on_the_site(text: str, expected: str) -> None:
    assert with_links(text, "docs/start.md", "start.md", OF_SITE) == expected


def test_links_of_what_lies_beside_the_pages() -> None:
    path = "benchmarks/results/h100.md"
    text = "![w](work.png) [d](../../docs/start.md) [t](../train.py) `CONTRIBUTING.md`"
    assert with_links(text, path, path, OF_SITE) == (
        "![w](work.png) [d](../../start.md) t (`benchmarks/train.py`)"
        " [`CONTRIBUTING.md`](../../CONTRIBUTING.md)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What:\n- a\n- b", "What:\n\n- a\n- b"),
        ("What:\n1. a\n2. b", "What:\n\n1. a\n2. b"),
        ("- a\n  more\n- b\nmore\n- c", "- a\n  more\n- b\nmore\n- c"),
        ("# A\n- a", "# A\n\n- a"),
        ("Text\n| a |\n|---|\n| b |", "Text\n\n| a |\n|---|\n| b |"),
        ("```\nx\n- a\n```", "```\nx\n- a\n```"),
        ("a - b\n-1 is no item", "a - b\n-1 is no item"),
    ],
)
def test_lists_and_tables_are_paragraphs_of_their_own(text: str, expected: str) -> None:
    assert with_blank_lines(text) == expected


def test_the_first_page_begins_as_the_readme_does() -> None:
    assert head_of("# A\nFirst.\n\n![b](b.png)\n\n## C\nd\n## E") == "First.\n\n![b](b.png)"
    assert text_of("docs/index.md").splitlines()[:3] == ["# adavit", HEAD, ""]
    head = head_of(text_of("README.md"))
    assert head.startswith("Train a GAN on")
    assert "small_set_curves.png" in head
    assert "#" not in head
