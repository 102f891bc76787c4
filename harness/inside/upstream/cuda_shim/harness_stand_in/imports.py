"""Something to be done once a module has been imported, without importing it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing's own would be imported for it, by every process
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_WAITING: dict[str, Callable[[], None]] = {}


def after(name: str, action: Callable[[], None]) -> None:
    """Call ``action`` when the module has been executed; at once where it already is."""
    if name in sys.modules:
        action()
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _WAITING[name] = action


class _Finder:
    """Finds what the others find, and has its execution followed by what waits for it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _WAITING:
            return None
        spec = self._by_others(name, path, target)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return None
        # The loader stays the one that it is: torch and others look at its type.
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if action := _WAITING.pop(name, None):
                action()

        loader.exec_module = exec_module
        return spec

    def _by_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is not self and find is not None:
                spec: ModuleSpec | None = find(name, path, target)
                if spec is not None:
                    return spec
        return None
