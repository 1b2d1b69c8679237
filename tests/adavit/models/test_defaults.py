"""Defaults live in the configuration: no constructor of a network repeats one."""

import inspect

import pytest
from torch import nn

from adavit.config.run import GeneratorConfig, ResNetConfig, ViTConfig
from adavit.models import Generator, ResNetDiscriminator, ViTDiscriminator
from adavit.models.mapping import MappingNetwork
from adavit.models.synthesis import SynthesisNetwork
from adavit.models.vit.encoder import VisionEncoder

SETTINGS = {*GeneratorConfig.model_fields, *ResNetConfig.model_fields, *ViTConfig.model_fields}


@pytest.mark.parametrize(
    "network",
    [
        Generator,
        MappingNetwork,
        SynthesisNetwork,
        ResNetDiscriminator,
        ViTDiscriminator,
        VisionEncoder,
    ],
)
def test_a_network_has_no_default_for_what_the_configuration_decides(
    network: type[nn.Module],
) -> None:
    parameters = inspect.signature(network).parameters
    repeated = [
        name
        for name in SETTINGS & parameters.keys()
        if parameters[name].default is not inspect._empty
    ]
    assert SETTINGS & parameters.keys()
    assert not repeated
