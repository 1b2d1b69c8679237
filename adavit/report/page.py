"""The page itself: template, style, script and plotly in one file that asks the network for nothing."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from adavit.report.curves import curve_data
from adavit.report.diagnostics import DISTANCE_HEADS, build_diagnostics
from adavit.report.gallery import build_gallery
from adavit.report.run import Run
from adavit.report.seed_groups import SeedGroup
from adavit.report.summary import headline, report_summary
from adavit.report.table import Table
from adavit.report.table_formats import explanation, meanings_of_marks, ranking_data, table_view
from adavit.report.wording import Wording
from adavit.runs.shared_names import without_folders

PAGE_BYTES = 9_800_000
"""A report fits in an e-mail: below 10 MB, of which plotly is the half."""

SCRIPTS = ("elements.js", "sortable_table.js", "report.js")
"""One after the other in the page."""

LONGEST_TEXT = 400
"""Letters of any name, reason or setting that the page shows."""

DIAGNOSTICS_PART = 0.3
"""Of the room for pictures, what closest pairs may take."""


def build_page(
    groups: Sequence[SeedGroup],
    failed: Sequence[Run],
    table: Table,
    title: str,
    *,
    anyway: bool = False,
) -> str:
    """The page of a report, with as many pictures as keep it small.

    Args:
        groups: The rows.
        failed: Runs that failed.
        table: Of these runs, and of those merged in.
        title: Its heading.
        anyway: As for `build_table`.
    """
    values = {
        "title": title,
        "headline": headline(table),
        "summary": report_summary(groups, failed),
        "table": table_view(table),
        "explanation": explanation(table),
        "marks": meanings_of_marks(table),
        "failures": table.failures,
        "distance_heads": DISTANCE_HEADS,
        "settings": _shared_settings(groups),
    }
    curves = curve_data(groups, Wording(table).letters, anyway=anyway)
    data = shortened({"curves": curves, "ranking": ranking_data(table)})
    # What the pictures may take is what all else leaves.
    empty: dict[str, Any] = {"gallery": {"pictures": {}, "runs": []}}
    bare = render_page({**values, "diagnostics": [], "gallery": None}, {**data, **empty})
    room = PAGE_BYTES - len(bare.encode())
    diagnostics = build_diagnostics(groups, max(0, int(DIAGNOSTICS_PART * room)))
    taken = sum(item.size for item in diagnostics)
    gallery = build_gallery(groups, max(0, int(0.97 * (room - taken))))
    shown = {
        "pictures": {key: vars(picture) for key, picture in gallery.pictures.items()},
        "runs": shortened(gallery.runs),
    }
    return render_page(
        {**values, "diagnostics": diagnostics, "gallery": gallery}, {**data, "gallery": shown}
    )


def _shared_settings(groups: Sequence[SeedGroup]) -> dict[str, str]:
    """Settings that all runs have alike, paths by their names; the others are what the rows are about."""
    runs = [run for group in groups for run in group.runs]
    if not runs:
        return {}
    first, *others = runs
    shared = {
        key: without_folders(value)
        for key, value in first.settings.items()
        if all(key in run.settings and run.settings[key] == value for run in others)
    }
    return {
        key: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in shared.items()
    }


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
        finalize=lambda value: value if isinstance(value, Markup) else shortened(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plotly = get_plotlyjs()
    script = "".join(map(_template, SCRIPTS))
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


def shortened(value: Any) -> Any:
    """A value from a run for the page, with the end of long texts left out: a name of megabytes stands at ten places.

    Args:
        value: A text, or any mixture of mappings, lists and plain values with texts in it.
    """
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… ({len(value):,} characters)"
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(item) for item in value]
    return value


def _template(name: str) -> str:
    return (resources.files("adavit.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
