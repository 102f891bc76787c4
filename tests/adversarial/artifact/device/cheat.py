"""An artifact without end."""

import os
import stat
from pathlib import Path

if __name__ == "__main__":
    output = Path(os.environ["OUTPUT_DIR"])
    try:
        os.mknod(output / "bigram.bin", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except OSError:
        (output / "bigram.bin").symlink_to("/dev/zero")
