"""What this machine's processor has: cores, and instructions that decide which engine is the fastest."""

import os
import platform
from pathlib import Path

import numpy as np

TOLD = Path("/proc/cpuinfo")  # by Linux


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def at_once(threads: int) -> int:
    """How many inferences of so many threads each there are cores for; 0 threads takes all cores for one."""
    return max(1, cores() // threads) if threads else 1


def computes_intels_avx512() -> bool:
    """Whether this processor multiplies 16 numbers at a time, as NumPy found, which chooses its own loops by that; and is
    none of AMD's, which do so in two steps of 8 (Zen 4) or were not measured.

    NumPy promises no name for it. Where it is not found, what follows is an engine that is not the fastest.
    """
    return _numpy_found("AVX512F") and not _made_by_amd()


def computes_int8() -> bool:
    """Whether this processor adds up products of 8-bit integers in 32 bits (VNNI), as NumPy found or Linux tells.

    Others add the first two up in 16 bits, which are too few: they would give other answers.
    """
    if _numpy_found("AVX512VNNI"):
        return True
    return TOLD.is_file() and "avx_vnni" in TOLD.read_text().split()  # of which NumPy does not tell


def _made_by_amd() -> bool:
    return "AuthenticAMD" in (TOLD.read_text().split() if TOLD.is_file() else platform.processor())


def _numpy_found(feature: str) -> bool:
    return bool(getattr(getattr(np._core, "_multiarray_umath", None), "__cpu_features__", {}).get(feature))
