"""Which generator drew images, in words, and where they must not lie."""

from pathlib import Path

from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.reading import mapping


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
    last = " --which last draws the last one of the run." if best else ""
    source = mapping(stored.config.get("training")).get("transfer")
    what = "untrained" if source is None else f"what its run started from (--transfer {source})"
    return f"Warning: this generator is {what}; train longer for a better one.{last}"


def refuse_inside_data(out: Path, stored: StoredGenerator) -> None:
    """Generated images look like any others: beside the real ones they would be trained on.

    Raises:
        UserError: If `out` lies in the images that the generator was trained on.
    """
    given = stored.config.get("data", {}).get("source")
    source = Path(str(given))
    if given and source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UserError(
            f"--out {str(out)!r} lies in the data {str(source)!r} of the run, where generated images would be"
            " trained on. Choose a folder outside of it."
        )
