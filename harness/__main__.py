"""``python -m harness`` is the same program as the console script ``harness``."""

import sys

from harness.cli import main

sys.exit(main())
