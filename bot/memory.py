"""How the process keeps its memory, once it has all that it needs."""

from __future__ import annotations

import gc


def keep_what_is_here() -> None:
    """What is in memory now stays: the collector need not walk through it, for 30 ms each time, ever again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
