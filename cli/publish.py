"""`adavit publish`."""

import click

from adavit.cli import completion, options
from adavit.runs.hub import repository_of
from adavit.runtime.streams import for_terminal


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--to", required=True, metavar="hub:USER/NAME", help="The repository; made if missing."
)
@click.option("--yes", is_flag=True, help="Send. Without it what would be sent is listed.")
@click.option("--private", is_flag=True, help="A repository that is made is for you alone.")
@options.which
def command(source: str, to: str, yes: bool, private: bool, which: str | None) -> None:
    """Send a generator and its page to a hub of models.

    SOURCE is a run or a generator file. Sent are the generator file, and the card beside it as adavit
    card has written it and you may have edited it (it is written where there is none): README.md,
    samples.png, adavit.json. Nothing is sent without --yes. Needs pip install "adavit[hub]", and
    hf auth login or HF_TOKEN.

    \b
    adavit publish runs/00000-small_set-resnet-bgc --to hub:me/small-things
    adavit publish runs/00000-small_set-resnet-bgc --to hub:me/small-things --yes
    """
    repository_of(to, "--to")
    from adavit.publishing.publication_text import summarise_publication
    from adavit.publishing.publish import publish

    made = publish(source, to, yes=yes, private=private, which=which)
    click.echo(for_terminal(summarise_publication(made)))
