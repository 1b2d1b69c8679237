import warnings
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.transforms import v2

from adavit.errors import UserError
from adavit.metrics.extractors.choice import choose_extractor
from adavit.metrics.extractors.torchvision_features import TorchvisionFeatures
from adavit.metrics.extractors.weight_files import file_digest
from tests.published_vit import published_state
from tests.references.metrics_images import drawn_images


def network(architecture: str, **arguments: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return torchvision.models.get_model(architecture, weights=None, **arguments).eval()


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network("resnet18").state_dict(), path)
    return path


@pytest.fixture(scope="module")
def preprocess() -> v2.Compose:
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Resize((224, 224), antialias=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )


def test_features_are_what_the_last_dense_layer_sees(
    resnet_file: Path, preprocess: v2.Compose
) -> None:
    images = torch.from_numpy(drawn_images(3, seed=0, side=40))
    before = torch.get_rng_state()
    extractor, note = choose_extractor(f"torchvision:resnet18:{resnet_file}")
    assert torch.equal(torch.get_rng_state(), before)
    expected = network("resnet18")
    expected.fc = torch.nn.Identity()
    with torch.no_grad():
        features = expected(preprocess(images))
    torch.testing.assert_close(extractor(images), features, rtol=1e-3, atol=1e-4)
    unrounded = extractor.of_unrounded(images / 127.5 - 1)  # type: ignore[attr-defined]
    torch.testing.assert_close(unrounded, features, rtol=1e-3, atol=1e-4)
    assert (extractor.name, extractor.features, note) == ("torchvision-resnet18", 512, None)
    assert extractor.weights_digest == file_digest(resnet_file)


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_other_architectures_and_other_classes_are_taken(
    architecture: str, tmp_path: Path, preprocess: v2.Compose
) -> None:
    model = network(architecture, num_classes=7)
    torch.save(model.state_dict(), tmp_path / "seven.pth")
    extractor, _ = choose_extractor(f"torchvision:{architecture}:{tmp_path / 'seven.pth'}")
    images = torch.from_numpy(drawn_images(2, seed=0))
    with torch.no_grad():
        logits = model(preprocess(images))
    dense = [part for part in model.modules() if isinstance(part, torch.nn.Linear)][-1]
    assert extractor.features == dense.in_features
    with torch.no_grad():
        torch.testing.assert_close(dense(extractor(images)), logits, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_networks_that_ask_for_the_version_of_their_file_are_taken(
    suffix: str, tmp_path: Path, preprocess: v2.Compose
) -> None:
    model, path = network("mnasnet0_5"), tmp_path / f"mnasnet.{suffix}"
    if suffix == "pth":
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    extractor, _ = choose_extractor(f"torchvision:mnasnet0_5:{path}")
    images = torch.from_numpy(drawn_images(2, seed=0))
    model.classifier = torch.nn.Identity()
    with torch.no_grad():
        expected = model(preprocess(images))
    torch.testing.assert_close(extractor(images), expected, rtol=1e-3, atol=1e-4)


def test_images_are_turned_into_what_the_published_weights_were_trained_on() -> None:
    known = torchvision.models.list_models(module=torchvision.models)
    others = {
        name for name in known if published(name) != ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    }
    assert others == {"efficientnet_v2_l"}
    images = torch.from_numpy(drawn_images(2, seed=0))
    for name in (*others, "googlenet"):
        model = network(name)
        mean, std = published(name)
        if name == "googlenet":  # turns them by itself, from the usual mean to 0.5
            mean = std = (0.5, 0.5, 0.5)
        state = model.state_dict()
        extractor = TorchvisionFeatures(name, state, "0" * 64)
        steps = [v2.ToDtype(torch.float32, scale=True), v2.Resize((224, 224), antialias=True)]
        model.set_submodule("fc" if name == "googlenet" else "classifier", torch.nn.Identity())
        with torch.no_grad():
            expected = model(v2.Compose([*steps, v2.Normalize(mean, std)])(images))
        torch.testing.assert_close(extractor(images), expected, rtol=1e-3, atol=1e-4)


def published(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    transforms = torchvision.models.get_model_weights(name)["DEFAULT"].transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def test_files_without_the_counters_of_batch_normalisation_are_taken(tmp_path: Path) -> None:
    state = network("resnet18").state_dict()
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    assert len(old) < len(state)
    torch.save(old, tmp_path / "old.pth")
    extractor, _ = choose_extractor(f"torchvision:resnet18:{tmp_path / 'old.pth'}")
    assert extractor.features == 512


def test_the_names_of_published_transformers_are_translated(tmp_path: Path) -> None:
    state = published_state(side=224)
    old = {
        name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): value
        for name, value in state.items()
    }
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "old.pth")
    extractor, _ = choose_extractor(f"torchvision:vit_b_16:{tmp_path / 'old.pth'}")
    assert extractor.features == 768


def test_the_names_of_published_densenets_are_translated(tmp_path: Path) -> None:
    state = network("densenet121").state_dict()
    old = {
        name.replace(".norm1.", ".norm.1.")
        .replace(".norm2.", ".norm.2.")
        .replace(".conv1.", ".conv.1.")
        .replace(".conv2.", ".conv.2."): value
        for name, value in state.items()
    }
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "old.pth")
    extractor, _ = choose_extractor(f"torchvision:densenet121:{tmp_path / 'old.pth'}")
    assert extractor.features == 1024


class _Hostile:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.trace)!r}, 'w').close()",)


def test_pickled_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    torch.save({"fc.weight": _Hostile(tmp_path / "trace")}, tmp_path / "hostile.pth")
    with pytest.raises(UserError, match="pickled objects, which are never loaded"):
        choose_extractor(f"torchvision:resnet18:{tmp_path / 'hostile.pth'}")
    assert not (tmp_path / "trace").exists()


def test_what_does_not_fit_is_an_error_that_says_what_to_do(
    resnet_file: Path, tmp_path: Path
) -> None:
    broken = torch.load(resnet_file, weights_only=True)
    broken["conv1.weight"][0, 0, 0, 0] = torch.nan
    torch.save(broken, tmp_path / "broken.pth")
    cases = [
        ("torchvision:resnet18", "expected torchvision:ARCH:FILE"),
        ("torchvision::x.pth", "expected torchvision:ARCH:FILE"),
        ("torchvision:resnet18:nothing.pth", "nothing.pth is not a file"),
        (f"torchvision:resnet17:{resnet_file}", "Did you mean resnet18"),
        (f"torchvision:zzz:{resnet_file}", "Use for example resnet50"),
        (f"torchvision:squeezenet1_0:{resnet_file}", "has no dense layer"),
        (f"torchvision:resnet34:{resnet_file}", r"lacks \d+ tensors"),
        (f"torchvision:maskrcnn_resnet50_fpn:{resnet_file}", "no classifier of torchvision"),
        (f"torchvision:resnet18:{tmp_path / 'broken.pth'}", "conv1.weight that are not finite"),
    ]
    for requested, message in cases:
        with pytest.raises(UserError, match=message):
            choose_extractor(requested)
