import dataclasses
import json

from adavit.doctor.finding import Finding


def test_a_finding_is_plain_values() -> None:
    finding = Finding("disk", "note", "Little.", "Make room.", {"free_bytes": 3})
    assert json.loads(json.dumps(dataclasses.asdict(finding))) == {
        "name": "disk",
        "state": "note",
        "found": "Little.",
        "remedy": "Make room.",
        "facts": {"free_bytes": 3},
    }
    assert (Finding("a", "ok", "b").remedy, Finding("a", "ok", "b").facts) == ("", {})
