"""The page itself: template, style, script and plotly in one file that asks the network for nothing."""

import base64
import hashlib
import json
from importlib import resources
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs


def render_page(values: dict[str, Any], data: dict[str, Any]) -> str:
    """The HTML of a report.

    All that is from runs passes through autoescaping or JSON; should a hole be left in either, the
    content policy lets no script run but the two whose digests it names, and nothing be fetched.

    Args:
        values: What the template shows.
        data: What the script draws; JSON with finite numbers only.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plotly, script = get_plotlyjs(), _template("report.js")
    return environment.get_template("report.html.j2").render(
        **values,
        style=_template("report.css"),
        plotly=plotly,
        script=script,
        digests=[_digest(plotly), _digest(script)],
        data=script_json(data),
    )


def script_json(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment there."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _template(name: str) -> str:
    return (resources.files("adavit.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
