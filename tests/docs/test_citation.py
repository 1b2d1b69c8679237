"""CITATION.cff says what the package says of itself."""

import re
import tomllib

import yaml

from tests.docs.documents import text_of


def test_version_licence_and_keywords_are_those_of_the_package() -> None:
    citation = yaml.safe_load(text_of("CITATION.cff"))
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    for name in ("version", "license", "keywords"):
        assert citation[name] == project[name], name


def test_it_has_what_the_format_requires() -> None:
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(citation[name] for name in ("message", "title", "authors"))
    for work in citation["references"]:
        assert {"type", "title", "authors", "year"} <= work.keys()
        assert all(
            re.fullmatch(r"arXiv:\d{4}\.\d{5}", each["value"]) for each in work["identifiers"]
        )
