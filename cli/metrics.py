"""`adavit metrics`."""

import click

from adavit.cli.listed import as_json, print_json, print_list


@click.command()
@as_json
def command(as_json: bool) -> None:
    """List the metrics with a line each.

    \b
    adavit metrics
    adavit metrics --json
    """
    from adavit.evaluation.known_metrics import KnownMetric, known_metrics  # torch takes seconds

    def facts(metric: KnownMetric) -> str:
        real = "" if metric.real_images else "; looks at generated images alone"
        measured = "; measured while training too" if metric.in_training else ""
        better = f"{metric.better.capitalize()} is better"
        return f"{metric.meaning}. {better}; features of {metric.extractor}{real}{measured}."

    metrics = known_metrics()
    if as_json:
        print_json(metrics)
        return
    print_list([(metric.name, facts(metric)) for metric in metrics])
    click.echo(
        "\nadavit evaluate RUN --metrics fid,kid measures any of them. With another --extractor than the one named"
        " here a figure has its name too, such as fd_random."
    )
