"""Runs a program in a newer grammar: ``python rewritten.py SCRIPT ARGS...`` is as SCRIPT ARGS."""

import sys
from pathlib import Path

_KEPT = ("__name__", "__builtins__", "__loader__", "__package__", "__spec__")


def main() -> None:
    """Become the script: its arguments, its folder first on the path, its globals."""
    del sys.argv[0]
    script = Path(sys.argv[0]).absolute()
    sys.path[0] = str(script.resolve().parent)
    # ``compile`` is the stand-in's here, which rewrites.
    program = compile(script.read_bytes(), str(script), "exec", dont_inherit=True)
    own: dict[str, object] = {
        "__file__": str(script),
        "__doc__": None,
        "__cached__": None,
        "__annotations__": {},
    }
    everything = sys.modules["__main__"].__dict__
    for name in [name for name in everything if name not in _KEPT]:
        del everything[name]
    everything.update(own)
    exec(program, everything)  # noqa: S102


if __name__ == "__main__":
    main()
