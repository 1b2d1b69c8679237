import json

from adavit.metrics.names import METRICS
from tests.cli.conftest import Adavit


def test_metrics_are_listed_with_a_line_each(adavit: Adavit) -> None:
    lines = adavit("metrics").out.splitlines()
    assert [line.split()[0] for line in lines[: len(METRICS)]] == list(METRICS)
    fid, ppl = lines[0], lines[METRICS.index("ppl")]
    assert "Lower is better; features of inception; measured while training too." in fid
    assert "looks at generated images alone" in ppl
    assert "measured while training" not in ppl


def test_metrics_as_json(adavit: Adavit) -> None:
    found = json.loads(adavit("metrics", "--json").out)
    assert [each["name"] for each in found] == list(METRICS)
    assert found[0]["extractor"] == "inception"
