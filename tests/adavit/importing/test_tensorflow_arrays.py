import numpy as np
import pytest
import torch

from adavit.config.section import MOST
from adavit.importing.discriminator_names import convert_discriminator
from adavit.importing.machine import Machine
from adavit.importing.records import UnreadablePickle
from adavit.importing.tensorflow_arrays import tensorflow_network
from tests.network_pickles import (
    Network,
    discriminator_state,
    dumped,
    generator_state,
    tensorflow_networks,
)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_arrays_become_the_tensors_of_the_other_form(classes: int, architecture: str) -> None:
    made = generator_state(classes=classes)
    judge = discriminator_state(classes=classes, architecture=architecture)
    written = dumped(tensorflow_networks(made, judge, mbstd_group_size=4), 3)
    generator, discriminator, average = Machine(memoryview(written)).run()
    for value, state in ((generator, made), (discriminator, judge), (average, made)):
        network = tensorflow_network(value)
        assert network is not None
        wanted = {name for name in state if not name.endswith("resample_filter")}
        assert network.values.keys() == wanted
        for name in wanted:
            torch.testing.assert_close(network.values[name](), state[name], rtol=0, atol=1e-6)
    assert tensorflow_network(discriminator).settings["mbstd_group_size"] == 4


def test_what_a_discriminator_does_not_say_is_as_tensorflow_has_it() -> None:
    networks = tensorflow_networks(generator_state(), discriminator_state(), nonlinearity="relu")
    value = Machine(memoryview(dumped(networks, 3))).run()[1]
    found = tensorflow_network(value)
    assert found is not None
    assert found.settings["lr_multiplier"] == 0.1
    assert found.activations == {"settings": "relu"}
    assert tensorflow_network(7) is None


# StyleGAN2-ADA's files always say it, and None is the whole batch; those of the first StyleGAN2 leave it out.
@pytest.mark.parametrize(("said", "group"), [({}, 4), ({"mbstd_group_size": None}, MOST)])
def test_the_group_is_that_of_stylegan2_where_a_discriminator_does_not_say_it(
    said: dict[str, None], group: int
) -> None:
    networks = tensorflow_networks(generator_state(), discriminator_state(), **said)
    found = tensorflow_network(Machine(memoryview(dumped(networks, 3))).run()[1])
    assert found is not None
    assert convert_discriminator(found).arguments["minibatch_std_group"] == group


@pytest.mark.filterwarnings("error")
def test_other_arrays_keep_their_names_and_damaged_ones_are_refused() -> None:
    def read(variables: list) -> object:
        state = {"variables": variables, "static_kwargs": {}, "components": {}}
        return tensorflow_network(Machine(memoryview(dumped(Network(state), 3))).run())

    other = read([("8x8/Dense/weight", np.zeros((2, 2), "f4"))])
    assert [*other.values] == ["8x8/Dense/weight"]  # type: ignore[attr-defined]
    with pytest.raises(UnreadablePickle, match="more than 2,000 parts"):
        read([("Output/weight", np.zeros(1, "f4"))] * 2001)
    with pytest.raises(UnreadablePickle, match="not pairs of name and array"):
        read([7])
    for wrong in ((), (2,), (2, 2, 2)):
        found = read(
            [("Output/weight", np.zeros(wrong, "f4")), ("8x8/Conv0/weight", np.zeros(wrong, "f4"))]
        )
        for name in ("b4.out.weight", "b8.conv0.weight"):
            with pytest.raises(UnreadablePickle, match="other axes"):
                found.values[name]()  # type: ignore[attr-defined]
