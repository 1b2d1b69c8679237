"""Paths of a configuration that still mean the same when the run is continued from another folder."""

from pathlib import Path

from adavit.config.run import RunConfig
from adavit.features.choice import absolute
from adavit.runs.hub import is_hub
from adavit.training.start.pretrained_trunk import absolute_trunk
from adavit.training.start.workload import absolute_source


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """The configuration, with all that lies somewhere named from the root."""
    values = config.as_dict()
    values["data"]["source"] = absolute_source(config.data.source)
    if config.features.network is not None:
        values["features"]["network"] = absolute(config.features.network)
    values["training"]["distill_network"] = absolute(config.training.distill_network)
    if (start := config.training.init_discriminator) is not None:
        values["training"]["init_discriminator"] = absolute_trunk(start)
    if config.metrics.reference is not None:
        values["metrics"]["reference"] = absolute_source(config.metrics.reference)
    paths = (
        ("data", "data_root"),
        ("metrics", "inception_weights"),
        ("training", "transfer"),
    )
    for section, key in paths:
        value = values[section][key]
        if value is not None and not is_hub(value):
            values[section][key] = str(Path(value).absolute())
    return RunConfig.model_validate(values)
