"""How the help of a command looks: options below headings, each with its type, range and default."""

from collections import defaultdict

import click

HEADINGS = {
    "data": "Images",
    "augment": "Augmentation",
    "discriminator": "Discriminator",
    "training": "Training",
    "pretraining": "Training",
    "metrics": "Evaluation while training",
    "run": "Run",
}
"""By section of the configuration, in the order of the help."""
OTHERS = "Options"


class SettingOption(click.Option):
    """An option that is a name for a key of the configuration."""

    @property
    def heading(self) -> str:
        """Where its help stands."""
        return HEADINGS[(self.name or "").partition("__")[0]]


class GroupedCommand(click.Command):
    """A command whose options stand below headings."""

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
