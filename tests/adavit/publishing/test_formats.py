import json
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import adavit
from adavit.errors import UserError
from adavit.publishing.export import export
from adavit.publishing.formats import FORMATS, NOTE
from tests.adavit.publishing.conftest import WriteGenerator

SOURCES = str(Path(adavit.__file__).parent).encode()


@pytest.mark.parametrize(("to", "name"), [("torchscript", "a.pt"), ("program", "a.pt2")])
def test_a_file_of_torch_runs_for_any_number_of_images_and_says_what_it_is(
    write_generator: WriteGenerator, tmp_path: Path, to: str, name: str
) -> None:
    file, out = write_generator(num_classes=2), tmp_path / name
    export(str(file), out, to=to)
    generator, run = adavit.load_generator(file), FORMATS[to].open(out.read_bytes())
    assert run is not None
    for batch in (1, 5):
        latents, labels = torch.randn(batch, 6), torch.arange(batch) % 2
        torch.testing.assert_close(
            run([latents, labels, torch.tensor(0.4)]),
            generator(latents, labels, truncation=0.4),
            rtol=1e-4,
            atol=1e-5,
        )
    with zipfile.ZipFile(out) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    (note,) = (json.loads(each) for name, each in contents.items() if name.endswith(NOTE))
    assert (note["images_seen"], note["noise"]) == ("1234", "fixed")
    assert not any(SOURCES in content for content in contents.values())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_file_of_torch_is_bound_to_no_device(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file = write_generator(noise="bounded", num_classes=2)
    export(str(file), tmp_path / "a.pt", to="torchscript")
    script = torch.jit.load(tmp_path / "a.pt")  # type: ignore[no-untyped-call]
    assert 'value="cpu"' not in str(script.inlined_graph)
    export(str(file), tmp_path / "a.pt2", to="program")
    program = torch.export.load(tmp_path / "a.pt2").module().to("meta")
    given = torch.empty(2, 6), torch.zeros(2, dtype=torch.int64), torch.tensor(0.4)
    assert program(*(each.to("meta") for each in given)).device.type == "meta"


@pytest.mark.parametrize("absent", ["onnx", "onnxscript"])
def test_an_absent_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(UserError, match=rf'package {absent}, .* pip install "adavit\[onnx\]"'):
        FORMATS["onnx"].check()


def test_without_onnxruntime_a_file_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert FORMATS["onnx"].open(b"") is None
