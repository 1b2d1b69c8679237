"""Which generator drew images, in words, and where they must not lie."""

from pathlib import Path

from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.reading import mapping
from adavit.runtime.files import RESULTS_MARK
from adavit.runtime.paths import quoted


def described(stored: StoredGenerator) -> str:
    """Which generator it is and how long it was trained; an imported one need not say."""
    run = RunDirectory(stored.path.parent)
    names = {
        run.best_generator: "the best generator of the run",
        run.last_generator: "the last generator of the run",
    }
    trained = "" if stored.origin and not stored.images else f", of {stored.images / 1000:g} kimg"
    return f"{names.get(stored.path, stored.path)}{trained}"


def before_training(stored: StoredGenerator) -> str:
    """A warning where a generator draws as it did before the first step of its run; else ""."""
    if stored.images or stored.origin:
        return ""
    run = RunDirectory(stored.path.parent)
    best = stored.path == run.best_generator and run.last_generator.exists()
    last = f" That of {quoted(str(run.path))} with --which last is the last one." if best else ""
    source = mapping(stored.config.get("training")).get("transfer")
    what = (
        "untrained"
        if source is None
        else f"what its run started from (--transfer {quoted(source)})"
    )
    return f"Warning: this generator is {what}; train longer for a better one.{last}"


def refuse_inside_data(out: Path, stored: StoredGenerator) -> None:
    """Generated images look like any others: beside the real ones they would be trained on.

    Raises:
        UserError: If `out` lies in the images that the generator was trained on, and in no results of adavit, which
            are never read as data.
    """
    given = mapping(stored.config.get("data")).get("source")
    if not isinstance(given, str) or not given:
        return
    source, place = Path(given), out.resolve()
    try:
        data = source.resolve()
        lies_inside = source.is_dir() and place.is_relative_to(data)
    except (
        OSError,
        ValueError,
    ):  # hidden from this user, or no name of a folder: then nobody writes there
        return
    between = [place, *place.parents][: len(place.parts) - len(data.parts)] if lies_inside else []
    if lies_inside and not any((folder / RESULTS_MARK).is_file() for folder in between):
        raise UserError(
            f"--out {str(out)!r} lies in the data {str(source)!r} of the run, where generated images would be"
            " trained on. Choose a folder outside of it."
        )
