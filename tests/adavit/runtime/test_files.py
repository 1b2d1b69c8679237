import json
from pathlib import Path

import pytest

from adavit.errors import first_line
from adavit.runtime.files import write_json


@pytest.mark.parametrize(
    "name", ["fliege.png", "цветок.png", b"\xff\xfe.png".decode(errors="surrogateescape")]
)
def test_json_holds_every_name_a_file_can_have(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "names.json", {"name": name})
    assert json.loads((tmp_path / "names.json").read_bytes()) == {"name": name}


def test_json_is_written_so_that_people_can_read_it(tmp_path: Path) -> None:
    write_json(tmp_path / "names.json", {"name": "цветок", "images": 3})
    text = (tmp_path / "names.json").read_text(encoding="utf-8")
    assert text == '{\n  "name": "цветок",\n  "images": 3\n}\n'


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\nwrong\nsecond"), "wrong"),
        (ValueError(), "ValueError"),
        (OSError(" "), "OSError"),
    ],
)
def test_what_a_library_says_becomes_one_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
