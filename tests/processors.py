"""/proc/cpuinfo of some processors, as Linux writes it; shortened to what says something of them."""

_X86 = "fpu vme de pse tsc msr sse sse2 ss ht syscall nx pni pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 avx f16c avx2 bmi2"
_AVX512 = (
    "avx512f avx512dq avx512cd avx512bw avx512vl avx512vbmi avx512_vbmi2 avx512_vnni avx512_bitalg"
)


def _x86(vendor: str, name: str, flags: str) -> str:
    return "".join(
        f"processor\t: {core}\nvendor_id\t: {vendor}\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: {name}\n"
        f"cpu MHz\t\t: 2599.998\ncpu cores\t: 2\nfpu\t\t: yes\nflags\t\t: {_X86} {flags}\n"
        "bugs\t\t: spectre_v1 spectre_v2\nbogomips\t: 5199.99\npower management:\n\n"
        for core in range(2)
    )


INTEL_AMX = _x86(
    "GenuineIntel",
    "Intel(R) Xeon(R) Platinum 8488C",
    f"{_AVX512} avx_vnni avx512_bf16 serialize tsxldtrk amx_bf16 avx512_fp16 amx_tile amx_int8 arch_capabilities",
)
INTEL_WITHOUT = _x86(
    "GenuineIntel", "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", f"{_AVX512} arch_capabilities"
)
AMD_ZEN4 = _x86("AuthenticAMD", "AMD EPYC 9654 96-Core Processor", f"{_AVX512} avx512_bf16 clzero")
ARM = (
    "processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd evtstrm aes atomics sve asimdfhm sve2 svei8mm svebf16"
    " i8mm bf16 dgh rng\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd4f\n"
    "CPU revision\t: 1\n\n"
)
