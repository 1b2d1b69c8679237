"""How the help of a command looks: options below headings, each with its type, range and default."""

import re
from collections import defaultdict

import click

from adavit.runtime.paths import quoted

HEADINGS = {
    "data": "Images",
    "augment": "Augmentation",
    "discriminator": "Discriminator",
    "features": "Discriminator",
    "training": "Training",
    "pretraining": "Training",
    "metrics": "Evaluation while training",
    "run": "Run",
}
"""By section of the configuration, in the order of the help."""
OTHERS = "Options"
_EXTRA = re.compile(r"unexpected extra argument \((.*)\)$")


class SettingOption(click.Option):
    """An option that is a name for a key of the configuration."""

    @property
    def heading(self) -> str:
        """Where its help stands."""
        return HEADINGS[(self.name or "").partition("__")[0]]


class GroupedCommand(click.Command):
    """A command whose options stand below headings, and that takes images by --data alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As any command; of a word without a flag it is told what it may be meant for."""
        words = list(args)  # click takes them out of the list
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            extra = _EXTRA.search(error.message)
            if extra is None:
                raise
            meant = _meant_by(extra[1], words)
            raise click.UsageError(f"{error.message}.{meant}", ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options by heading, each section in the order of the command."""
        rows: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = parameter.heading if isinstance(parameter, SettingOption) else OTHERS
                rows[heading].append(record)
        for heading in dict.fromkeys([*HEADINGS.values(), OTHERS]):
            if rows[heading]:
                with formatter.section(heading):
                    formatter.write_dl(rows[heading])


def _meant_by(extra: str, words: list[str]) -> str:
    """What a word without a flag may be meant for: a value of --set without its "=", or the images."""
    for flag, key, value in zip(words, words[1:], words[2:], strict=False):
        if (flag, value) == ("--set", extra) and "=" not in key:
            return f" Did you mean --set {quoted(f'{key}={value}')}?"
    if any(word == "--data" or word.startswith("--data=") for word in words):
        return ""
    return f" Did you mean --data {quoted(extra)}?"
