"""What the CPU is called, and what of it multiplies in bfloat16, as Linux says in /proc/cpuinfo.

No other system says it in a way that has been tried with training; there nothing is known of the processor.
"""

import platform
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

FAST_BF16 = ("AMX", "AVX-512 BF16")
"""Units with which training was measured to be faster than in float32: benchmarks/results/bf16_cpu.md."""

BF16_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "bf16": "BF16"}
"""What multiplies in bfloat16, by its name among the flags of x86 and ARM. Linux leaves a flag out that it does not let
programs use."""


@dataclass(frozen=True)
class Processor:
    """A CPU.

    Attributes:
        name: For people; what the system calls it, or the architecture.
        flags: What it can do, by Linux' names; empty where nothing says it.
    """

    name: str
    flags: frozenset[str] = frozenset()

    @property
    def bf16(self) -> tuple[str, ...]:
        """The names of what multiplies in bfloat16, for people."""
        return tuple(name for flag, name in BF16_FLAGS.items() if flag in self.flags)


def processor_here() -> Processor:
    """The CPU of this machine: the first of several, which are alike."""
    name = platform.processor() or platform.machine() or "unknown processor"
    try:
        with CPUINFO.open(errors="replace") as lines:
            # The whole has a part for each of perhaps hundreds of cores.
            for line in lines:
                key, _, value = (part.strip() for part in line.partition(":"))
                if key == "model name":
                    name = " ".join(value.split())
                if key in ("flags", "Features"):
                    return Processor(name, frozenset(value.split()))
    except OSError:
        pass
    return Processor(name)
