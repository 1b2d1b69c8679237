"""File formats of a network: how a file is made, and how its content is run to check it."""

import contextlib
import importlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.publishing.exported_network import BATCH, ExportedNetwork

Run = Callable[[Sequence[Tensor]], Tensor]
"""Runs what a file holds: inputs in the order of the network's to its output."""

OPSET = 18
"""Of the operators in ONNX files: the oldest that torch's exporter writes by itself, which most runtimes know."""

NOTE = "adavit.json"
"""What is said of a generator, within files that hold others."""


class ExportFormat(Protocol):
    """A file format.

    Attributes:
        made_by: What made a file, for people.
        runtime: What runs it to check it.
    """

    made_by: str
    runtime: str

    def check(self) -> None:
        """Tells before any work that the packages it is made with are absent.

        Raises:
            UserError: If one is.
        """

    def encode(
        self, network: ExportedNetwork, example: Sequence[Tensor], note: Mapping[str, str]
    ) -> bytes:
        """The content of a file.

        Args:
            network: In evaluation mode.
            example: Inputs of at least two images.
            note: What is said of the generator.
        """

    def open(self, content: bytes) -> Run | None:
        """Runs the content of a file; None where what runs it is not installed."""


class ProgramFormat:
    """`torch.export`: the graph of a network with its weights, which torch alone loads."""

    made_by = f"torch.export of torch {torch.__version__}"
    runtime = "torch"

    def check(self) -> None:
        """See `ExportFormat`; torch is always there."""

    def encode(
        self, network: ExportedNetwork, example: Sequence[Tensor], note: Mapping[str, str]
    ) -> bytes:
        """See `ExportFormat`."""
        buffer = io.BytesIO()
        with _quiet():
            torch.export.save(
                traced_program(network, example), buffer, extra_files={NOTE: json.dumps(note)}
            )
        return buffer.getvalue()

    def open(self, content: bytes) -> Run:
        """See `ExportFormat`."""
        module = torch.export.load(io.BytesIO(content)).module()
        return lambda inputs: module(*inputs)


class TorchScriptFormat:
    """TorchScript by `torch.jit.trace`, for what loads nothing newer; torch has deprecated it."""

    made_by = f"torch.jit.trace of torch {torch.__version__}, which has deprecated it for torch.export (--to program)"
    runtime = "torch"

    def check(self) -> None:
        """See `ExportFormat`; torch is always there."""

    def encode(
        self, network: ExportedNetwork, example: Sequence[Tensor], note: Mapping[str, str]
    ) -> bytes:
        """See `ExportFormat`."""
        buffer = io.BytesIO()
        with _quiet(), torch.no_grad():
            traced = torch.jit.trace(network, tuple(example), check_trace=False)
            torch.jit.save(traced, buffer, _extra_files={NOTE: json.dumps(note)})
        return _without_sources(buffer)

    def open(self, content: bytes) -> Run:
        """See `ExportFormat`."""
        with _quiet():
            module = torch.jit.load(io.BytesIO(content))
        return lambda inputs: module(*inputs)


class OnnxFormat:
    """ONNX by torch's exporter of traced programs; its note stands in the model's metadata."""

    made_by = f"opset {OPSET}, torch.onnx.export of torch {torch.__version__}"
    runtime = "onnxruntime"

    def check(self) -> None:
        """See `ExportFormat`."""
        for name in ("onnx", "onnxscript"):
            if _installed(name) is None:
                raise UserError(
                    f"--to onnx needs the package {name}, which is not installed. Install it with pip install"
                    ' "adavit[onnx]", or export with --to program, which needs none.'
                )

    def encode(
        self, network: ExportedNetwork, example: Sequence[Tensor], note: Mapping[str, str]
    ) -> bytes:
        """See `ExportFormat`."""
        with _quiet():
            made = torch.onnx.export(
                traced_program(network, example),
                (),
                input_names=list(network.input_names()),
                output_names=[network.part.output],
                dynamic_shapes=(_batches(network, BATCH),),
                opset_version=OPSET,
                dynamo=True,
                # Which would turn what is made of float16 weights, the weights themselves, to float32 again.
                optimize=not network.half_weights,
                verbose=False,
            )
        assert made is not None
        model: Any = made.model
        # What torch notes of every node is larger than the node, and names files of this machine.
        for noted in (model.graph, *model.graph, *model.graph.inputs, *model.graph.outputs):
            noted.metadata_props.clear()
        model.metadata_props.update({**note, "opset": str(OPSET)})
        return bytes(made.model_proto.SerializeToString())

    def open(self, content: bytes) -> Run | None:
        """See `ExportFormat`."""
        runtime = _installed("onnxruntime")
        if runtime is None:
            return None
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_inputs()]

        def run(inputs: Sequence[Tensor]) -> Tensor:
            arrays = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
            return torch.from_numpy(session.run(None, arrays)[0])

        return run


FORMATS: dict[str, ExportFormat] = {
    "onnx": OnnxFormat(),
    "torchscript": TorchScriptFormat(),
    "program": ProgramFormat(),
}
"""By the names of `adavit.publishing.format_names`."""


def traced_program(
    network: ExportedNetwork, example: Sequence[Tensor]
) -> "torch.export.ExportedProgram":
    """The graph of a network, for any number of images.

    Args:
        network: In evaluation mode.
        example: Inputs of at least two images.
    """
    batch = torch.export.Dim(BATCH, min=1)
    program = torch.export.export(
        network, tuple(example), dynamic_shapes=(_batches(network, batch),)
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names files of this machine
    return program


def _batches(network: ExportedNetwork, name: Any) -> tuple[dict[int, Any] | None, ...]:
    return tuple({0: name} if has else None for has in network.has_batch())


def _without_sources(buffer: io.BytesIO) -> bytes:
    """A TorchScript file without the places in our sources, which only messages use and which name folders."""
    kept = io.BytesIO()
    with zipfile.ZipFile(buffer) as before, zipfile.ZipFile(kept, "w") as after:
        for member in before.infolist():
            if not member.filename.endswith(".debug_pkl"):
                after.writestr(member.filename, before.read(member))
    return kept.getvalue()


def _installed(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings: of what is deprecated a line of ours says what matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
