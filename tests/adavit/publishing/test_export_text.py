from pathlib import Path

from adavit.publishing.export import Export, ExportDifference, ExportedFile
from adavit.publishing.export_text import summarise_export


def file_of(difference: ExportDifference | None) -> ExportedFile:
    inputs = {"latents": "float32 [batch, 8]", "truncation": "float32 []"}
    return ExportedFile(
        Path("a.onnx"), 2500, inputs, "images float32 [batch, 3, 16, 16]", difference
    )


def test_a_file_is_described_with_its_difference() -> None:
    made = Export((file_of(ExportDifference(3e-6, 1e-6, 1.0)),), "opset 18", "onnxruntime", False)
    first, second = summarise_export(made).splitlines()
    assert first == (
        "Wrote a.onnx (2.5 kB): latents float32 [batch, 8], truncation float32 [] -> images float32 [batch, 3, 16,"
        " 16]. onnxruntime differs from the generator by at most 3e-06."
    )
    assert second.startswith("Made by opset 18. Noise at each pixel is fixed")
    assert "float16" not in second


def test_half_says_what_it_costs_in_levels_of_a_byte() -> None:
    made = Export((file_of(ExportDifference(0.02, 0.004, 1.0)),), "opset 18", "onnxruntime", True)
    first, second = summarise_export(made).splitlines()
    assert first.endswith("at most 0.02 (2.6 of 255 levels), 0.004 root mean square.")
    assert second.endswith("Weights are in float16, computed with in float32.")


def test_what_was_not_checked_says_why() -> None:
    made = Export((file_of(None),), "opset 18", "onnxruntime", False)
    first, *_, last = summarise_export(made).splitlines()
    assert first.endswith("[batch, 3, 16, 16].")
    assert last.startswith(
        "Not checked against the generator: onnxruntime is not installed (pip install"
    )
