"""The process of one step: ``python -m tests.accelerator.step MODULE TOLD``."""

import argparse
import ctypes
import importlib
import importlib.abc
import importlib.machinery
import json
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from tests.accelerator.desk import CannotTryError, open_desk
from tests.accelerator.running import CANNOT

_STEPS = "tests.accelerator.steps"
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG


class _Absent(importlib.abc.MetaPathFinder):
    """Hides packages, as if they were not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def main() -> int:
    """Run one step; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("told")
    parser.add_argument("--without", default="")
    options = parser.parse_args()
    if sys.platform == "linux":  # whoever kills the command kills its step
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL)
    if options.without:
        sys.meta_path.insert(0, _Absent(options.without.split(",")))
    desk = open_desk(json.loads(options.told))
    try:
        name = options.module
        importlib.import_module(name if "." in name else f"{_STEPS}.{name}").run(desk)
    except ModuleNotFoundError as error:
        desk.cannot("the step", f"the package {(error.name or '').partition('.')[0]} is missing")
        return CANNOT
    except CannotTryError as error:
        desk.cannot("the step", str(error))
        return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
