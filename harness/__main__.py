"""``python -m harness`` is the same program as the console script ``harness``."""

import sys
from pathlib import Path

# ``-m`` looks into the working directory first. That may be a submission, whose ``pydantic.py``
# is not for us to import.
if sys.path and Path(sys.path[0] or ".").absolute() == Path.cwd():
    del sys.path[0]

from harness.cli.main import main

sys.exit(main())
