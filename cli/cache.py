"""`adavit cache`: decoded sets, features and downloads on the disk."""

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adavit.data.cache import CachedSet, cached_sets, forget
from adavit.data.files.members import printable
from adavit.errors import UserError
from adavit.runtime.cache_folder import (
    PARTS,
    cache_limit_bytes,
    default_cache_dir,
    empty_part,
    part_size,
)
from adavit.runtime.paths import takes_paths
from adavit.runtime.wording import counted, size

PIPE_WIDTH = 200


@click.group()
def command() -> None:
    """See and empty the folder of decoded images, features and downloads.

    It is $ADAVIT_CACHE, else the platform's folder for caches. Decoded images and features together
    stay under 20 GB, or $ADAVIT_CACHE_GB: what was used longest ago is removed.

    \b
    adavit cache list
    adavit cache clear my_photos
    """


@command.command("list")
def list_sets() -> None:
    """List the decoded sets, the one used last at the end; equal content stands for equal images.

    \b
    adavit cache list
    """
    console = Console(
        file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("source", overflow="fold")
    for name in ("images", "side", "channels", "content", "on disk", "used"):
        table.add_column(name, justify="right")
    # Several choices of settings may come to the same images, which are kept once.
    found = {(each.source, each.fingerprint): each for each in cached_sets(default_cache_dir())}
    for each in found.values():
        count, channels, height, width = each.shape
        used = datetime.datetime.fromtimestamp(each.last_used).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            Text(printable(each.source)),
            str(count),
            f"{height}x{width}",
            str(channels),
            each.fingerprint[:8],
            size(each.size_bytes),
            used,
        )
    console.print(table)


@command.command("size")
def total() -> None:
    """Say where the cache is and how much it holds.

    \b
    adavit cache size
    """
    folder = default_cache_dir()
    click.echo(f"{folder}")
    for part in PARTS:
        count, taken = part_size(folder, part)
        click.echo(f"  {part:<10} {size(taken):>10} in {counted(count, 'file', 'files')}")
    limit = cache_limit_bytes() / 1e9
    click.echo(f"Images and features together stay under {limit:g} GB (ADAVIT_CACHE_GB).")


@command.command()
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--downloads", is_flag=True, help="Also the data sets that were downloaded.")
@takes_paths("sources")
def clear(sources: tuple[str, ...], downloads: bool) -> None:
    """Remove the decoded images of each SOURCE; without one, all of them and all features.

    They are made again when they are needed, and runs that use them now are not disturbed.

    \b
    adavit cache clear
    adavit cache clear my_photos
    """
    folder = default_cache_dir()
    before = sum(part_size(folder, part)[1] for part in PARTS)
    if sources:
        forget(folder, _sets_of(sources, folder))
    parts = ([] if sources else ["images", "features"]) + (["downloads"] if downloads else [])
    for part in parts:
        try:
            empty_part(folder, part)
        except OSError as error:
            raise UserError(
                f"{folder / part} cannot be removed ({error.strerror}), but must be a folder that you may "
                "write. Check its permissions."
            ) from error
    after = sum(part_size(folder, part)[1] for part in PARTS)
    click.echo(f"Removed {size(before - after)} from {folder}.")


def _sets_of(sources: Sequence[str], folder: Path) -> list[CachedSet]:
    known = cached_sets(folder)
    found = []
    for source in sources:
        # Sets lie under the resolved path of their folder or zip, or under their name.
        names = {source, str(Path(source).resolve())}
        matching = [each for each in known if each.source in names]
        if not matching:
            raise UserError(
                f"the cache holds no images of {source!r}, so there is nothing to remove. "
                "See what it holds with: adavit cache list."
            )
        found += matching
    return found
