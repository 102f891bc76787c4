"""Where a verdict leads, in words: the file to open, and the next command."""

import shlex

from harness.judge.verdict import Next, Verdict
from harness.report.sentences import NAME_LIMIT, PATH_LIMIT
from harness.safeio.text import plain

OFFICIAL = "10min_16mb"
_SENTENCES: dict[Next, str] = {
    "nothing": "",
    "accept": "{accept}",
    "official": "{official}",
    "mend": "mend it; {check}, then {again}",
    "slower": "make it faster{stop}, take an idle machine, or rehearse with more time: {slower}",
    "resume": "{verify} --resume",
    "confirm": "{confirm}",
    "rescore": "score what was sealed again on an idle machine: {rescore}",
    "decide": "look at it: no rule can tell, and a person settles it: {decide} accept|reject "
    "--why TEXT",
    "anew": "begin again: {anew}",
    "doctor": "{doctor}",
}


def way_on_in_words(verdict: Verdict, *, verify: str = "") -> list[tuple[str, str]]:
    """A label and a text each; empty for a verdict from before it was kept where it leads.

    Args:
        verdict: of which it is told.
        verify: the command that runs the entry again, as it was typed; made up when empty.
    """
    found = verdict.way_on
    if found is None:
        return []
    rows = []
    if found.file:
        rows.append(("open", plain(f"{verdict.evidence}/{found.file}", PATH_LIMIT)))
    if said := _SENTENCES[found.next].format(**_commands(verdict, verify)):
        rows.append(("next", said))
    return rows


def decided_by(verdict: Verdict) -> str:
    """The check that decided, and the seed that it happened to; empty where none stood in the way.

    Such as ``train_wallclock, seed 7``.
    """
    found = verdict.way_on
    if found is None or found.check is None:
        return ""
    seed = "" if found.seed is None else f", seed {found.seed}"
    return f"{plain(found.check, NAME_LIMIT)}{seed}"


def _commands(verdict: Verdict, verify: str) -> dict[str, str]:
    track = verdict.track
    verify = verify or _command("verify", verdict.folder or "FOLDER", "--track", track)
    folder = shlex.split(verify)[2]  # as it was typed
    # To resume is to go on with the time that it was begun with.
    again = f"{verify} --slow {verdict.time_scale:g}" if verdict.time_scale else verify
    directory = plain(verdict.evidence, PATH_LIMIT)
    official = _command("verify", folder, "--track", OFFICIAL)
    doctor = _command("doctor", "--track", track)
    training = verdict.way_on is not None and verdict.way_on.check == "train_wallclock"
    return {
        "verify": verify,
        "again": again,
        "slower": again if verdict.time_scale else f"{verify} --slow 4",
        "stop": " (or stop in time: MAX_WALLCLOCK_SECONDS)" if training else "",
        "check": _command("check" if verdict.layout == "submission" else "adopt", folder),
        "accept": _command("leaderboard", "accept", directory),
        "confirm": _command("confirm", directory),
        "rescore": _command("rescore", directory),
        "decide": _command(
            "decide", directory, (verdict.way_on and verdict.way_on.check) or "CHECK"
        ),
        "official": official if track != OFFICIAL else doctor,
        "doctor": doctor,
        "anew": again if verdict.rehearsal else f"{verify} --new-draw",
    }


def _command(*words: str) -> str:
    return shlex.join(["harness", *(plain(word, PATH_LIMIT) for word in words)])
