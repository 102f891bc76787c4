"""A stand-in for CUDA, a clock that stands still, and the grammar of newer Pythons.

It is there for convenience, not for trust: it lives in the script's own process, and a script can
see and break it. Each part is a module here; nothing of torch is imported before the script does.
"""

import sys

from . import imports


def start(parts: list[str]) -> None:
    """Set up what ``parts`` name: ``cpu``, ``still``, ``lively``; grammar comes with ``cpu``."""
    if "still" in parts:
        from . import clock

        clock.hold_still()
    if "cpu" in parts:
        imports.after("torch", _stand_in_lively if "lively" in parts else _stand_in_for_cuda)
        imports.after("triton", _interpret_kernels)
        if sys.version_info < (3, 12):
            from . import grammar

            grammar.accept()


def _stand_in_for_cuda() -> None:
    from . import compiling, cuda, custom_ops, devices, distributed

    for part in (devices, cuda, custom_ops, distributed, compiling):
        part.install()


def _stand_in_lively() -> None:
    from . import lively

    _stand_in_for_cuda()
    lively.install()


def _interpret_kernels() -> None:
    from . import kernels

    kernels.install()
    kernels.tune_nothing()
