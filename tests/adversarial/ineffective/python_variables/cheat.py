"""What starts its training may be steered; what starts the referee's worker has no variables."""

import os
import sys
from pathlib import Path

from bigram import load_model as honest

OURS = ("PYTHONSTARTUP", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONWARNINGS", "OMP_NUM_THREADS")


def load_model(artifact, device):
    here = str(Path(__file__).parent)
    taken = [name for name in ("sitecustomize", "usercustomize") if _is_ours(name, here)]
    taken += [name for name in OURS if os.environ.get(name, "").startswith("cheat")]
    print(f"trick worked: {taken}" if taken else "trick failed: nothing of it is there")
    return honest(artifact, device)


def _is_ours(name, here):
    return str(getattr(sys.modules.get(name), "__file__", "")).startswith(here)
