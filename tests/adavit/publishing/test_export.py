from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import adavit
from adavit.errors import RunError, UserError
from adavit.publishing.export import export
from adavit.publishing.formats import FORMATS, OPSET, Run
from adavit.runs.generator_file import StoredGenerator, read_generator
from tests.adavit.publishing.conftest import WriteGenerator

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run_onnx(path: Path, *inputs: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    arrays = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
    return torch.from_numpy(session.run(None, arrays)[0])


def check_onnx(file: Path, out: Path) -> None:
    """Largest difference from torch at most 1e-4, for one image and three, truncated and not."""
    generator = adavit.load_generator(file)
    for batch, truncation in ((1, 1.0), (3, 0.5)):
        latents = torch.randn(batch, generator.latent_dim)
        labels = [torch.arange(batch) % 3] if generator.num_classes else []
        drawn = run_onnx(out, latents, *labels, torch.tensor(truncation))
        expected = generator(latents, *labels, truncation=truncation)
        torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-4)


def test_onnxruntime_draws_what_torch_draws(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file, out = write_generator(image_channels=4, num_classes=3), tmp_path / "a.onnx"
    (made,) = export(str(file), out, to="onnx").files
    assert made.difference is not None
    assert made.difference.largest <= 1e-4
    assert made.bytes == out.stat().st_size
    assert made.inputs == {
        "latents": "float32 [batch, 6]",
        "labels": "int64 [batch]",
        "truncation": "float32 []",
    }
    assert made.output == "images float32 [batch, 4, 8, 8]"
    check_onnx(file, out)
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    noted = {each.key: each.value for each in model.metadata_props}
    assert [each.version for each in model.opset_import if not each.domain] == [OPSET]
    assert noted["opset"] == str(OPSET)
    assert noted["data_fingerprint"] == "ab" * 32
    assert not any(node.metadata_props for node in model.graph.node)
    first_axes = [each.type.tensor_type.shape.dim[0].dim_param for each in model.graph.input[:2]]
    assert first_axes == ["batch", "batch"]


@pytest.mark.parametrize("half", [False, True])
def test_a_file_that_a_run_replaces_meanwhile_is_exported_as_it_was_read(
    write_generator: WriteGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    file, out = write_generator(), tmp_path / "a.pt"
    before = adavit.load_generator(file)

    def read_and_replace(source: Path, *, which: str | None) -> StoredGenerator:
        stored = read_generator(source, which=which)
        write_generator(file, seed=1, images=9999)
        return stored

    monkeypatch.setattr("adavit.publishing.export.read_generator", read_and_replace)
    export(str(file), out, to="torchscript", half=half)
    run = FORMATS["torchscript"].open(out.read_bytes())
    assert run is not None
    latents = torch.randn(2, before.latent_dim)
    drawn, expected = run([latents, torch.tensor(1.0)]), before(latents)
    allowed = 0.1 * float(expected.abs().max()) if half else 1e-4
    torch.testing.assert_close(drawn, expected, rtol=0, atol=allowed)
    assert b'"images_seen": "1234"' in out.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "resolution"),
    [
        ("grey", 128),
        ("rgb", 256),
        ("rgba", 16),
        ("conditional", 32),
    ],  # a kind has blocks of any size
)
def test_every_kind_of_generator_goes_to_onnx(
    write_generator: WriteGenerator, tmp_path: Path, resolution: int, kind: str
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "grey": {"image_channels": 1, "noise": "none"},
        "rgb": {},
        "rgba": {"image_channels": 4, "noise": "bounded"},
        "conditional": {"num_classes": 3},
    }
    # Of one channel alone demodulation divides a style by its own size: near 0 little but rounding is left.
    file = write_generator(resolution=resolution, channel_base=4 * resolution, **changes[kind])
    export(str(file), tmp_path / "a.onnx", to="onnx")
    check_onnx(file, tmp_path / "a.onnx")


@pytest.mark.slow
def test_mapping_and_synthesis_go_to_onnx_too(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file = write_generator(num_classes=3, noise="bounded")
    export(str(file), tmp_path / "a.onnx", to="onnx", parts=True)
    latents, labels = torch.randn(3, 6), torch.tensor([0, 2, 1])
    w = run_onnx(tmp_path / "a-mapping.onnx", latents, labels, torch.tensor(0.7))
    drawn = run_onnx(tmp_path / "a-synthesis.onnx", w)
    expected = adavit.load_generator(file)(latents, labels, truncation=0.7)
    torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_half_of_onnx_holds_its_weights_in_float16(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file = str(write_generator(channel_base=512, channel_max=64))
    (full,) = export(file, tmp_path / "a.onnx", to="onnx").files
    (half,) = export(file, tmp_path / "b.onnx", to="onnx", half=True).files
    assert half.bytes < 0.6 * full.bytes
    assert half.difference is not None
    assert 1e-4 < half.difference.largest < 0.1 * half.difference.scale


def test_the_error_of_half_is_what_a_user_would_measure(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file, out = write_generator(), tmp_path / "a.pt"
    whole, mapping, synthesis = export(
        str(file), out, to="torchscript", parts=True, half=True
    ).files
    assert [each.path.name for each in (whole, mapping, synthesis)] == [
        "a.pt",
        "a-mapping.pt",
        "a-synthesis.pt",
    ]
    assert synthesis.inputs == {"w": "float32 [batch, 4, 7]"}
    parts = [FORMATS["torchscript"].open(each.path.read_bytes()) for each in (mapping, synthesis)]
    latents = torch.randn(200, 6)
    assert parts[0] is not None
    assert parts[1] is not None
    drawn = parts[1]([parts[0]([latents, torch.tensor(1.0)])])
    off = (drawn - adavit.load_generator(file)(latents)).square().mean().sqrt()
    assert whole.difference is not None
    assert whole.difference.largest > 1e-4
    # Of 200 images, while the file was measured on four.
    assert 0.2 < whole.difference.root_mean_square / float(off) < 5


def test_a_file_that_computes_something_else_is_not_written(
    write_generator: WriteGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.pt"
    out.write_bytes(b"before")

    form, opened = FORMATS["torchscript"], []

    def off_by_a_little(content: bytes) -> Run | None:
        opened.append(form_open(content))
        last = opened[-1]
        return (lambda inputs: last(inputs) + 0.01) if len(opened) == 3 else last

    form_open = form.open
    monkeypatch.setattr(form, "open", off_by_a_little)
    with pytest.raises(RunError, match=r"a-synthesis\.pt computes something else .* 0\.01"):
        export(str(write_generator()), out, to="torchscript", parts=True)
    assert out.read_bytes() == b"before"
    assert {path.name for path in tmp_path.glob("*.p*")} == {"a.pt"}


def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file = str(write_generator())
    with pytest.raises(UserError, match=r"--out .*absent/a\.onnx' cannot be written"):
        export(file, tmp_path / "absent" / "a.onnx", to="onnx")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("bad", [0, 1])
def test_a_file_that_draws_nan_once_is_not_written(
    bad: int, write_generator: WriteGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, calls = FORMATS["torchscript"], []

    def nan_once(content: bytes) -> Run | None:
        run = form_open(content)
        assert run is not None

        def drawn(inputs: list[torch.Tensor]) -> torch.Tensor:
            calls.append(len(calls))
            return run(inputs) + (torch.nan if calls[-1] == bad else 0.0)

        return drawn

    form_open = form.open
    monkeypatch.setattr(form, "open", nan_once)
    with pytest.raises(RunError, match=r"computes something else .* differs by nan"):
        export(str(write_generator()), tmp_path / "a.pt", to="torchscript")
    assert len(calls) == 2
    assert not (tmp_path / "a.pt").exists()


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint.pt",
        "checkpoint-1.pt",
        "checkpoint-sound.pt",
        "pretraining.pt",
        "pretraining-1.pt",
    ],
)
def test_a_checkpoint_is_not_written_over(
    name: str, write_generator: WriteGenerator, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_bytes(b"what a run goes on from")
    with pytest.raises(UserError, match=r"is a checkpoint .* for example .*run/generator\.pt\.$"):
        export(write_generator(), tmp_path / "run" / name, to="torchscript")
    assert (tmp_path / "run" / name).read_bytes() == b"what a run goes on from"
