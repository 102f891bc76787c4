"""The rogues' gallery: what must become of each cheater, and what became of it.

A cheater is the honest control (``tests/factories/honest/bigram``) with the files of its own
folder copied over it. ``cheat.py`` replaces the control's script when it has a main part, and its
loader when it has a ``load_model``. Where there is a ``make.py``, its ``make(folder)`` adds what is
too large to be kept. ``cheater.toml`` is its card; where that names a ``twin``, the honest control
is that one of ``twins/``, which is scored by document. Its shelf, the folder around it, says what
is expected:

``<check>/``      that check alone refuses it;
``ineffective/``  nothing refuses it, and it gains nothing: every check answers as for the honest
                  control, the score is the control's, and its log says that its trick failed;
``malformed/``    it is not even loaded: exit code 2;
``known_gaps/``   the trick works, and SECURITY.md states that limit.
"""

import runpy
import shutil
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.judge.rules import CHECKS as RULES
from harness.safeio.text import has_unseen
from tests.factories.playground import BIGRAM, ROOT, Outcome, harness, write_track

GALLERY = ROOT / "tests/adversarial"
TWINS = GALLERY / "twins"
CARD = "cheater.toml"
MAKER = "make.py"
CHECKS = tuple(rule.id for rule in RULES)
SHELVES = (*CHECKS, "ineffective", "malformed", "known_gaps")
SEED = "1"
Kind = Literal["docker", "process"]
Twin = Literal["bigram", "documents", "studies"]
# Prose for people, not copied over the control.
_NOT_CODE = {CARD, MAKER, "__pycache__"}


class Card(BaseModel):
    """``cheater.toml``.

    ``trick`` and ``field`` (where it happened) are sentences. ``reason`` must be in the reason of
    the verdict, ``finding`` in a finding's name. ``also`` names checks that see it too.
    ``sandboxes``: where the trick makes sense; what
    only isolation stops is not run without. ``seeds``: ``auto`` draws the track's two, ``1`` runs
    one alone, which is enough to be refused. ``track`` changes lines of the smoke track. ``score``
    is what the trick may do to the honest control's BPB; ``speaks``: it prints whether it worked;
    ``suite``: the tests run it too, not ``make cheaters`` alone; ``long``: those with the Docker
    tier; ``holdout``: the track has unpublished documents, in a dataset of that name. ``twin`` is
    the honest submission that it is made of.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trick: str
    field: str = ""
    reason: str = ""
    finding: str = ""
    sandboxes: tuple[Kind, ...] = ("docker", "process")
    seeds: Literal["1", "auto"] = "1"
    verdict: Literal["REJECTED", "INCONCLUSIVE"] = "REJECTED"
    also: tuple[str, ...] = ()
    track: dict[str, str] = Field(default_factory=dict)
    score: Literal["equal", "not better", "better", "another seed"] = "equal"
    speaks: bool = True
    suite: bool = True
    long: bool = False
    holdout: str = ""
    twin: Twin = "bigram"


def honest(twin: Twin, place: Path) -> Path:
    """The folder of an honest twin, which passes every check; its own is not written to."""
    if twin == "bigram":
        return BIGRAM
    folder = place / twin
    shutil.copytree(BIGRAM, folder, dirs_exist_ok=True)
    shutil.copy(TWINS / "documents.py", folder)
    text = _manifest(twin).read_text().replace("cheat:load_model", "documents:load_model")
    text = text.replace('"python", "cheat.py"]', '"python", "bigram.py"]')
    text = text.replace(', "cheat.py"]', "]")
    (folder / "submission.toml").write_text(text)
    return folder


def _manifest(twin: Twin) -> Path:
    """The manifest of those that are made of a twin."""
    return GALLERY / "submission.toml" if twin == "bigram" else TWINS / f"{twin}.toml"


@dataclass(frozen=True)
class Cheater:
    """One folder of the gallery."""

    folder: Path
    card: Card

    @property
    def shelf(self) -> str:
        """A check, ``ineffective``, ``malformed`` or ``known_gaps``."""
        return self.folder.parent.name

    @property
    def name(self) -> str:
        """Shelf and folder."""
        return f"{self.shelf}/{self.folder.name}"

    def assemble(self, place: Path) -> Path:
        """The submission's folder: the control's code, the gallery's manifest, its own files."""
        place.mkdir(parents=True, exist_ok=True)
        target = place / self.folder.name
        shutil.copytree(honest(self.card.twin, place / "honest"), target)
        shutil.copy(_manifest(self.card.twin), target / "submission.toml")
        ignore = shutil.ignore_patterns(*_NOT_CODE)
        shutil.copytree(self.folder, target, dirs_exist_ok=True, symlinks=True, ignore=ignore)
        if (self.folder / MAKER).exists():
            runpy.run_path(str(self.folder / MAKER))["make"](target)
        cheat, manifest = (target / name for name in ("cheat.py", "submission.toml"))
        source, text = cheat.read_text(), manifest.read_text()
        if "__main__" not in source:
            text = text.replace('["python", "cheat.py"]', '["python", "bigram.py"]')
        if "def load_model" not in source:
            text = text.replace("cheat:load_model", "bigram:load_model")
        manifest.write_text(text)
        return target


@dataclass(frozen=True)
class Result:
    """What became of a cheater; ``problems`` is empty when that is what was expected."""

    expected: str
    actual: str
    problems: tuple[str, ...]
    outcome: Outcome
    seconds: float = 0.0


def cheaters() -> list[Cheater]:
    """Every cheater, by name."""
    cards = sorted(GALLERY.glob(f"*/*/{CARD}"))
    return [
        Cheater(card.parent, Card.model_validate(tomllib.loads(card.read_text()))) for card in cards
    ]


def verify(
    submission: Path,
    place: Path,
    data: Path,
    sandbox: Kind,
    *,
    seeds: str,
    holdout: str = "",
    **track: str,
) -> Outcome:
    """Verify a folder; ``track`` changes lines of the smoke track with two seeds.

    With a ``holdout`` some documents are taken from the train split, as unpublished ones: the
    dataset of that name.
    """
    place.mkdir(parents=True, exist_ok=True)
    rules = write_track(place / "track.toml", **{"seeds": "2", **track})
    if holdout:
        from tests.scoring.test_document_costs import add_holdout, with_unpublished

        data, rules = with_unpublished(data, place / "data"), add_holdout(rules)
    arguments = ["--track", rules, "--sandbox", sandbox, "--data", data, "--json", "-"]
    return harness("verify", submission, *arguments, "--runs", place / "runs", "--seeds", seeds)


def run(
    cheater: Cheater, place: Path, data: Path, sandbox: Kind, control: Outcome | None
) -> Result:
    """Verify one cheater in ``place`` and compare the outcome with its shelf and its card.

    ``control`` is the outcome of :func:`verify` for the honest control with seed :data:`SEED`, for
    the shelves that compare with it.
    """
    began = time.monotonic()
    place.mkdir(parents=True, exist_ok=True)
    result = _run(cheater, place, data, sandbox, control)
    if _ours(result.outcome):  # an overloaded machine says nothing of a cheater: once more
        result = _run(cheater, place / "again", data, sandbox, control)
    return replace(result, seconds=time.monotonic() - began)


def _run(
    cheater: Cheater, place: Path, data: Path, sandbox: Kind, control: Outcome | None
) -> Result:
    card = cheater.card
    folder, track = cheater.assemble(place), {**card.track, "holdout": card.holdout}
    done = verify(folder, place, data, sandbox, seeds=card.seeds, **track)
    if cheater.shelf == "malformed":
        problems = [] if done.code == 2 else [f"exit code {done.code}, expected 2: {done.err}"]
        if card.reason not in done.err:
            problems.append(f"expected {card.reason!r} in: {done.err.strip()}")
        return Result("malformed", f"exit code {done.code}", tuple(problems), done)
    if not done.verdict:
        return Result(cheater.shelf, f"exit code {done.code}", (done.err.strip(),), done)
    logs = _logs(done)
    problems = _unclean(done, logs)
    if cheater.shelf in CHECKS:
        problems += _not_caught(cheater, done)
        expected = f"{card.verdict} by {cheater.shelf}"
        actual = f"{done.verdict['verdict']}: {done.verdict['reason']}"
    else:
        problems += _not_as_honest(cheater, done, control)
        expected = actual = "known gap: it works"
        if cheater.shelf == "known_gaps" and card.speaks and not _said(logs, WORKED):
            problems.append("its log does not say that the trick worked: is the gap closed?")
        if cheater.shelf == "ineffective":
            failed = _said(logs, FAILED)
            problems += [f"it says: {line.strip()}" for line in _said(logs, WORKED)]
            if card.speaks and not failed:
                problems.append("its log does not say that the trick failed")
            expected = "as the honest control"
            actual = f"{expected}; {failed[0].partition(FAILED)[2][2:]}" if failed else expected
    if card.finding and card.finding not in [f["name"] for f in done.verdict["findings"]]:
        problems.append(f"no finding {card.finding!r}")
    return Result(expected, actual, tuple(problems), done)


def _ours(done: Outcome) -> bool:
    """Whether a clock of ours stood still, or our side broke."""
    return done.code == 3 and (not done.verdict or done.status("clocks") == "unknown")


# What cheaters print.
WORKED, FAILED = "trick worked", "trick failed"


def _logs(done: Outcome) -> dict[str, str]:
    evidence = Path(done.verdict["evidence"])
    files = [*evidence.glob("seed-*/try-*/*.log"), evidence / "scorecard.txt"]
    return {str(path.relative_to(evidence)): path.read_bytes().decode() for path in files}


def _said(logs: dict[str, str], what: str) -> list[str]:
    """The lines of all logs that say so."""
    return [line for text in logs.values() for line in text.splitlines() if what in line]


def _unclean(done: Outcome, logs: dict[str, str]) -> list[str]:
    """Whatever a cheater prints, what people read of it is plain and bounded."""
    problems = []
    for name, text in {**logs, "output": done.err}.items():
        if not all(character.isprintable() or character == "\n" for character in text):
            problems.append(f"{name} holds control characters")
        if name == "scorecard.txt" and has_unseen(text.replace("\n", "")):
            problems.append(f"{name} holds characters that nobody can see")
        if len(text) > 8_388_608:
            problems.append(f"{name} has {len(text):,} characters")
    return problems


def _not_caught(cheater: Cheater, done: Outcome) -> list[str]:
    """Why that check alone did not refuse it; empty when it did."""
    card, verdict = cheater.card, done.verdict
    problems = []
    if verdict["verdict"] != card.verdict:
        problems.append(f"{verdict['verdict']}, expected {card.verdict}")
    wanted = "fail" if card.verdict == "REJECTED" else "unknown"
    if done.status(cheater.shelf) != wanted:
        problems.append(f"{cheater.shelf} reads {done.status(cheater.shelf)}, expected {wanted}")
    others = [name for name in done.failed if name not in (cheater.shelf, *card.also)]
    if others:
        problems.append(f"failed too: {', '.join(others)}")
    if card.reason not in verdict["reason"]:
        problems.append(f"expected {card.reason!r} in the reason")
    return problems


def _not_as_honest(cheater: Cheater, done: Outcome, control: Outcome | None) -> list[str]:
    """How the outcome is worse than the control's, or its score not what the card says."""
    assert control is not None and control.verdict, "the honest control must come first"
    problems = []
    passed = {check["id"] for check in control.verdict["checks"] if check["status"] == "pass"}
    for check in done.verdict["checks"]:
        if check["status"] == "fail" or (check["status"] != "pass" and check["id"] in passed):
            problems.append(f"{check['id']} reads {check['status']}: {check['detail']}")
    if not problems:
        bpb, honest = (v["seeds"][0]["val_bpb"] for v in (done.verdict, control.verdict))
        difference = bpb - honest
        fine = {
            "equal": abs(difference) < 1e-9,
            "not better": difference > -1e-3,
            "better": difference < -1e-5,
            # As far as seeds of the twin lie apart on the small dataset.
            "another seed": abs(difference) < 5e-3,
        }
        if not fine[cheater.card.score]:
            problems.append(f"{bpb:.6f} BPB, the honest control {honest:.6f}")
    return problems


def readme() -> str:
    """README.md of the gallery: the cards, shelf by shelf."""
    text = _PREFACE
    for shelf in SHELVES:
        cards = [(c.folder.name, c.card) for c in cheaters() if c.shelf == shelf]
        meaning = _MEANINGS.get(shelf, f"The check `{shelf}`, and no other, refuses them.")
        text += f"\n## {shelf}\n\n{meaning}\n\n{_HEADING}" if cards else ""
        for name, card in cards:
            where = ", ".join(card.sandboxes)
            text += f"| `{name}` | {card.trick} | {card.field} | {where} |\n"
    return text


_PREFACE = """\
# The rogues' gallery

One small submission for each way to cheat, on the shelf that says what must become of it. Each is
the honest control, `tests/factories/honest/bigram`, or one of `twins/`, which are scored by
document, with the files of its folder copied over it; `cheater.toml` is its card. `make cheaters`
verifies all of them in Docker; without an engine, those that make sense in the process sandbox.
`python -m tests.adversarial --readme` writes this file.

## A new one in ten minutes

1. Make a folder on the shelf of the check that should see it. `cheat.py` holds a `load_model` (it
   may import the control's: `from bigram import load_model as honest`), or a main part that trains,
   or both.
2. Write `cheater.toml`: `trick`, a sentence; where it fits `field` (where it happened), `reason`
   (words of the verdict's reason), `seeds = "auto"`, `track` (lines of the smoke track), `also`
   (checks that see it too), `sandboxes`, `twin = "documents"` or `"studies"` for one that is scored
   by document, `long = true` if it takes more than 3 s, `suite = false` if far more. `gallery.py`
   has every key.
3. `python -m tests.adversarial --only SHELF/NAME --sandbox process` says what became of it.
4. If nothing refuses it and it gains something, you have found a hole. Move it to the shelf of the
   check that you write against it, and see that it passes when that check is switched off: the
   tests do that for every folder.

Assume that you know the harness by heart, remember all that any sandbox was shown, and know in
which phase you are. SECURITY.md lists what each promise assumes: an assumption without a cheater is
the next hole.
"""
_HEADING = "| folder | trick | where it happened | where it is run |\n|---|---|---|---|\n"
_MEANINGS = {
    "ineffective": "Nothing refuses them, as there is nothing to refuse: the score is the honest "
    "control's, and their own logs say that the trick failed.",
    "malformed": "They are not even loaded: exit code 2.",
    "brought_along": "The check `brought_along`, and no other, refuses them, before anything is "
    "run; `make.py` makes their weights.",
    "holdout": "The check `holdout`, and no other, refuses them, on a track with unpublished "
    "documents.",
    "known_gaps": "The trick works: these are the limits that SECURITY.md states.",
    "memorisation": "The check `memorisation`, and no other, hands them to a human: INCONCLUSIVE. "
    "With unpublished documents it is `holdout` that refuses them.",
    "seed_spread": "The check `seed_spread`, and no other, hands them to a human: INCONCLUSIVE.",
}
