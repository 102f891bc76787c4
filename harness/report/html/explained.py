"""What a page says to somebody who has never seen the contest: what it is about, and its words."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.rules import CHECKS
from harness.judge.verdict import Verdict, VerdictName
from harness.report import sentences
from harness.report.blocks import Pairs
from harness.safeio.text import plain

WORDS = "words"
"""Where the words of a page are explained: an id in it."""
TITLE = "Words of this page"
CONTEST = (
    "Parameter Golf is a contest for small language models. An entry is code that trains one "
    "within a fixed time, and that fits with it into a fixed number of bytes. Models are scored in "
    "bits per byte of text (BPB): lower is better."
)
REFEREE = "The referee runs that code itself, and measures time, bytes and score itself."
_ONLY_REPRODUCED = (
    "Here its script was run whole, and what it printed is compared with what it claims; nobody "
    "has checked that its figures are true."
)


@dataclass(frozen=True)
class Lead:
    """What stands above a report: whose entry it is about, and what all of it is about."""

    subject: str
    author: str
    about: str
    words: str = f"#{WORDS}"


def lead_of(verdict: Verdict) -> Lead:
    """The lead of a verification's report."""
    second = _ONLY_REPRODUCED if sentences.only_reproduced(verdict) else REFEREE
    return Lead(
        subject=plain(verdict.submission, sentences.NAME_LIMIT),
        author=plain(verdict.author, sentences.NAME_LIMIT),
        about=f"{CONTEST} {second}",
    )


_VERDICTS: dict[VerdictName, str] = {
    "VERIFIED": "every check passes",
    "REJECTED": "a check fails; which one, and by how much, stands first",
    "INCONCLUSIVE": "no check fails, but one cannot tell, or the referee's own side broke",
    "REHEARSED": "every check passes that a rehearsal can judge",
    "REPRODUCED": "a record's own figures came out again; nobody has checked that they are true",
}
_MEANINGS: dict[str, tuple[str, str]] = {
    "bpb": (
        "BPB, val_bpb",
        "bits per byte: how many bits the model needs on average for a byte of the validation "
        "text. Lower is better.",
    ),
    "nats": (
        "nats, val_loss",
        "the same cost as training counts it, with natural logarithms and for each token. A nat "
        "is 1.44 bits.",
    ),
    "seed": (
        "seed",
        "the number that decides a training's luck. Each seed is a training from the start, with "
        "an artifact and a score of its own.",
    ),
    "track": (
        "track, edition",
        "the rules as data: time, bytes, text, the bar. An edition is one version of them.",
    ),
    "rehearsal": (
        "rehearsal",
        "cannot make a record: its track is for practice, its time was stretched, or its sandbox "
        "does not isolate.",
    ),
    "bar": (
        "bar, margin, threshold",
        "the score to beat, by how much, and the one less the other: the mean has to lie below "
        "that.",
    ),
    "p": (
        "p, t",
        "p: how often luck alone gives figures as good as these; t: the distance that it follows "
        "from, in standard errors.",
    ),
    "interval": (
        "99 % interval",
        "where the mean of very many seeds would lie; made this way, such an interval is right 99 "
        "times in 100.",
    ),
    "deviation": ("deviation", "how far scores of seeds usually lie from their mean, in BPB."),
    "power": (
        "90 % power",
        "from how many seeds on the test would see such a difference nine times in ten.",
    ),
    "baseline": ("baseline", "what a simple model, counted from the train text, scores here."),
    "artifact": (
        "artifact",
        "the one file that training leaves: the model. It is sealed, and scored from that file.",
    ),
    "target": ("target", "a token that the model has to predict. Each one is scored once."),
    "sandbox": (
        "sandbox",
        "where the entry's code runs. docker shuts it off from the network and from all that it "
        "is not given; process does not.",
    ),
    "asked": (
        "asked again",
        "some targets are asked for twice, with other text behind them (a suffix) or in another "
        "order. Who looks only at what came before answers the same.",
    ),
    "doubt": ("doubt", "what a check cannot rule out, as BPB, added to the score."),
    "claim": ("claim", "what an entry or its log says of itself; it proves nothing."),
    "digest": ("digest", "a fingerprint of files (SHA-256): no other files have the same."),
}


def meanings(names: Sequence[str]) -> Pairs:
    """The meanings of these words, in this order."""
    return Pairs([_MEANINGS[name] for name in names])


def words_of(verdict: Verdict) -> Pairs:
    """The words of a verification's report that are no plain English."""
    test = verdict.statistics
    stretched = verdict.time_scale is not None or not verdict.isolated
    said = {
        "rehearsal": verdict.rehearsal or stretched,
        "bar": test.threshold_bpb is not None,
        "p": test.p is not None,
        "interval": test.ci99_bpb is not None,
        "deviation": test.sd_bpb is not None,
        "power": test.seeds_for_power_90 is not None,
        "baseline": bool(verdict.baselines),
        "asked": any(check.id == "causality" for check in verdict.checks),
        "doubt": bool(verdict.doubts),
    }
    known = meanings([name for name in _MEANINGS if said.get(name, True)])
    asked = {rule.id: rule.summary for rule in CHECKS}
    failed = [
        (check.id, f"a check, which passes where this is true: {asked[check.id]}")
        for check in verdict.checks
        if check.status == "fail" and check.id in asked
    ]
    return Pairs([(verdict.verdict, _VERDICTS[verdict.verdict]), *failed, *known.rows])
