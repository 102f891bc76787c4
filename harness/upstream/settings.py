"""The settings of a run as it was made: what its log prints, then what its README says."""

import re
from dataclasses import dataclass, field, replace

from harness.upstream.entry import Entry
from harness.upstream.folder import BrokenFileError, RecordFolder
from harness.upstream.logs.runs import log_names, read_log

MOST_LOGS = 4
_NOT_SETTINGS = frozenset(
    ["rank", "local_rank", "world_size", "distributed", "is_main_process", "seed", "run_id",
     "grad_accum_steps", "is_master_process", "master_process", "logfile"]
)  # fmt: skip
_STRIDE = re.compile(r"(?<![A-Za-z])stride\s?[:=]\s?(\d{1,5})\b")
_PLAIN = re.compile(r"[\w.,+-]{1,80}")


@dataclass(frozen=True)
class AsRun:
    """What the folder says of its run.

    ``logged`` are attributes of the script's settings as a log prints them; ``env`` is the
    environment of the README's command. ``scores`` are the names of the scores that the log
    prints, in order. ``why`` has a source for each.
    """

    env: dict[str, str] = field(default_factory=dict)
    logged: dict[str, str] = field(default_factory=dict)
    scores: tuple[str, ...] = ()
    log: str = ""
    command: str = ""
    python: str | None = None
    stride: str = ""
    """The stride that the log names beside its last score."""
    prose: str = ""
    """What the folder says of itself; only where no log tells what was run."""


def settings_as_run(folder: RecordFolder, entry: Entry) -> AsRun:
    """What logs and README say of the run."""
    command = entry.command
    env = dict(command.env) if command else {}
    where = f"{command.file}:{command.line}" if command else ""
    best = AsRun(env, command=where)
    for name in log_names(folder)[:MOST_LOGS]:
        log = read_log(folder, name)
        for draft in log.drafts:
            logged = {
                key: value
                for key, value in draft.settings.items()
                if key not in _NOT_SETTINGS and _PLAIN.fullmatch(value)
            }
            scores = tuple(one.name for one in draft.evaluations)
            if scores and (not best.scores or len(logged) > len(best.logged) + 20):
                stride = _stride(folder, name)
                best = AsRun(env, logged, scores, name, where, draft.python, stride)
    return best if best.scores else _claimed(folder, best)


def _claimed(folder: RecordFolder, run: AsRun) -> AsRun:
    """Settings among the claims, where there is no log: the least that can be trusted."""
    name = folder.claims_name
    prose = folder.path.name
    logged: dict[str, str] = {}
    if name is not None and folder.files[name].here:
        try:
            document = folder.json(name)
        except BrokenFileError:
            document = {}
        for key, value in list(document.items())[:400]:
            text = str(value)
            if isinstance(value, str | int | float) and key.upper() not in run.env:
                prose = f"{prose} {text[:2000]}"
                if key not in _NOT_SETTINGS and _PLAIN.fullmatch(text):
                    logged[key] = text
    return replace(run, logged=logged, log=name or "", prose=prose)


def _stride(folder: RecordFolder, name: str) -> str:
    lines = (line for line in folder.text(name).splitlines()[-400:] if "stride" in line)
    found = [match[1] for line in lines for match in _STRIDE.finditer(line[:2000])]
    return found[-1] if found else ""
