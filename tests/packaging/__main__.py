"""``python -m tests.packaging FOLDER`` builds both distributions; needs setuptools alone."""

import sys
import tempfile
from pathlib import Path

from tests.packaging.build import build, copy_of_checkout

if len(sys.argv) != 2:
    sys.exit("usage: python -m tests.packaging FOLDER")
with tempfile.TemporaryDirectory() as place:
    made = build(copy_of_checkout(Path(place)), Path(sys.argv[1]))
print(made.wheel, made.sdist, sep="\n")
