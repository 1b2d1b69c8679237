import platform
from pathlib import Path

import pytest

from adavit.runtime import processor
from adavit.runtime.processor import Processor, processor_here
from tests.processors import AMD_ZEN4, ARM, INTEL_AMX, INTEL_WITHOUT


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "CPUINFO", file)
    return file


@pytest.mark.parametrize(
    ("text", "name", "bf16"),
    [
        (INTEL_AMX, "Intel(R) Xeon(R) Platinum 8488C", ("AMX", "AVX-512 BF16")),
        (INTEL_WITHOUT, "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", ()),
        (AMD_ZEN4, "AMD EPYC 9654 96-Core Processor", ("AVX-512 BF16",)),
        (ARM, "armed", ("BF16",)),
        # Spaces for tabs, as some containers write it, and flags that only begin alike.
        ("model name : A  B\nflags : fpu amx_bf16_like amx_tile amx_int8\n", "A B", ()),
    ],
)
def test_name_and_units_of_a_processor(
    cpuinfo: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str, bf16: tuple[str, ...]
) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "armed")
    cpuinfo.write_text(text)
    here = processor_here()
    assert (here.name, here.bf16) == (name, bf16)
    assert here.flags


@pytest.mark.parametrize("text", [None, "", "model name\t: No flags\n", "\xff\x00:\n:\n"])
def test_where_nothing_says_it_nothing_is_known(cpuinfo: Path, text: str | None) -> None:
    if text is not None:
        cpuinfo.write_bytes(text.encode("latin-1"))
    here = processor_here()
    assert here.flags == frozenset()
    assert here.bf16 == ()
    assert here.name


def test_another_system_may_not_even_know_the_architecture(
    cpuinfo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "")
    assert processor_here() == Processor("unknown processor")
    cpuinfo.mkdir()  # neither can a folder be read
    assert processor_here() == Processor("unknown processor")
