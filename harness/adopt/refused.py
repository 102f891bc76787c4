"""Folders in which there is nothing to run, and the sentence that says why."""

import re

from harness.adopt.adoption import Adoption
from harness.upstream.entry import Entry


def nothing(name: str, reason: str, sentence: str, entry: Entry | None) -> Adoption:
    """What is said of a folder of that name in which there is nothing to run."""
    script = entry.script.name if entry is not None else None
    return Adoption(name=name, adoption="none", reason=reason, script=script, reasons=(sentence,))


def kind_of(sentence: str) -> str:
    """A short name to count by, of why no script could be read."""
    kinds = (("no Python file", "no-script"), ("listed in the manifest", "not-here"),
             ("empty", "empty"), ("not valid Python", "not-python"),
             ("not installed here", "needs-package"), ("only running", "hidden"),
             ("larger", "too-large"), ("more than", "too-large"))  # fmt: skip
    return next((kind for text, kind in kinds if text in sentence), "no-script")


def without_torch(entry: Entry) -> tuple[str, str] | None:
    """Why a script without torch is none of those that can be run here."""
    text = entry.script.text
    if re.search(r"^\s*(?:import|from)\s+torch\b", text, re.MULTILINE):
        return None
    place = entry.script.place(1)
    if re.search(r"^\s*(?:import|from)\s+mlx\b", text, re.MULTILINE):
        return "mlx", f"{place}: written for MLX alone; no torch"
    if re.search(r"^\s*(?:import|from)\s+(?:jax|tensorflow|tinygrad)\b", text, re.MULTILINE):
        return "other-framework", f"{place}: written for another framework; no torch"
    if entry.candidates and re.search(r"^\s*(?:import|from)\s", text, re.MULTILINE):
        modules = {one.rpartition("/")[2].removesuffix(".py") for one in entry.candidates}
        imported = re.findall(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)", text, re.MULTILINE)
        if modules & set(imported):
            return None
    return "no-torch", f"{place}: a wrapper or helper, without torch"
