"""What this machine's processor has: cores, and instructions that decide which engine is the fastest."""

import os

import numpy as np


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def at_once(threads: int) -> int:
    """How many inferences of so many threads each there are cores for; 0 threads takes all cores for one."""
    return max(1, cores() // threads) if threads else 1


def computes_avx512() -> bool:
    """Whether this processor multiplies 16 numbers at a time, as NumPy found, which chooses its own loops by that.

    NumPy promises no name for it. Where it is not found, what follows is an engine that is not the fastest.
    """
    found = getattr(getattr(np._core, "_multiarray_umath", None), "__cpu_features__", {})
    return bool(found.get("AVX512F"))
