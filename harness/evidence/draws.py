"""Random draws that nobody can choose: all of a verification follow from one nonce, by label.

The harness draws the nonce and writes it to disk before the first run. So the submitter, who knows
the digests, cannot predict the draws, and a second try of the same plan cannot change them.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from harness.contest.entry import Entry
from harness.contest.track import Track
from harness.evidence.step_names import Role
from harness.models import Fact

Purpose = Literal["preparation", "look", "confirmation", "reproduction"]
ROLES: dict[Purpose, Role] = {
    "preparation": "preparation",
    "look": "seed",
    "confirmation": "seed",
    "reproduction": "reproduction",
}


@dataclass(frozen=True)
class Secret:
    """One kind of draw: its label, what is drawn, and when anybody else may learn it."""

    label: str
    what: str
    known: str

    def of(self, nonce: str, *words: object) -> bytes:
        """32 bytes, a function of nonce, label and words."""
        material = "\0".join([self.label, *map(str, words)]).encode()
        return hmac.new(nonce.encode(), material, hashlib.sha256).digest()


SEED = Secret("seed", "the seeds of all runs of a plan", "to the submission when its run begins")
PROBES = Secret(
    "probes",
    "which targets are asked again, those that are drawn by their gap after the scoring included, "
    "and which suffix follows each",
    "never",
)
SUFFIXES = Secret("suffixes", "from which train shard those suffixes are taken", "never")
ORDER = Secret(
    "order",
    "in which order documents are scored where each is a stream, and what stands behind them",
    "to the submission, document by document, while it is scored",
)
RECALL = Secret("recall", "which windows are asked again, and in which order", "never")
HOLDOUT = Secret(
    "holdout", "the same of the unpublished documents: targets, suffixes and their shard", "never"
)
SHARDS = Secret(
    "shards",
    "which train documents a run is denied, and how the others are cut into files",
    "to the submission when its run begins",
)
TOKENIZER = Secret(
    "tokenizer",
    "which train documents a tokenizer that is code must encode again, and in which order it is "
    "shown documents",
    "never",
)
DECOY = Secret(
    "decoy",
    "which train text lies in place of the validation split, where a script is shown one; and "
    "which tokens lie in place of all text where it is scored",
    "to the submission when its run begins",
)
DRAWN_TEXT = Secret(
    "drawn text",
    "texts that a script's own evaluation is run on, and from where on one of them is another",
    "to the submission when its preparation runs",
)
ANOTHER_SEED = Secret(
    "another seed",
    "the seeds with which a script is brought to its evaluation, another for each sandbox",
    "to the submission, in that sandbox",
)
SECRETS = (
    *(SEED, PROBES, SUFFIXES, ORDER, RECALL, HOLDOUT, SHARDS, TOKENIZER),
    *(DECOY, DRAWN_TEXT, ANOTHER_SEED),
)


class Draw(Fact):
    """One draw of a plan: ``number`` is its place in it; a preparation has seed 0."""

    number: int = Field(ge=0)
    seed: int = Field(ge=0, lt=1 << 31)
    purpose: Purpose

    @model_validator(mode="after")
    def _preparation_has_no_seed(self) -> "Draw":
        if self.purpose == "preparation" and self.seed != 0:
            raise ValueError("seed: expected 0 of a preparation")
        return self

    @property
    def role(self) -> Role:
        """The kind of run that it is."""
        return ROLES[self.purpose]


def draw_seeds(*, entry_digest: str, track_digest: str, nonce: str, count: int) -> list[int]:
    """``count`` distinct seeds in [0, 2**31), a function of the digests and the nonce."""
    seeds: list[int] = []
    index = 0
    while len(seeds) < count:
        drawn = SEED.of(nonce, entry_digest, track_digest, index)
        seed = int.from_bytes(drawn[:4], "big") >> 1
        if seed not in seeds:
            seeds.append(seed)
        index += 1
    return seeds


def once_blind(entry: Entry, track: Track) -> bool:
    """Whether an entry is trained once for us, and none of its scores is compared with a bar.

    So are those whose claimed score we cannot measure, and whatever was made small for a rehearsal:
    that proves its bridge alone.
    """
    return entry.only_reproduced or (entry.layout == "upstream" and track.rehearsal)


def draw_runs(
    entry: Entry, track: Track, nonce: str, *, by_hand: Sequence[int] | None = None
) -> tuple[Draw, ...]:
    """Every run of a plan, drawn at once: preparation, looks, confirmation, reproductions.

    Nothing confirms what was chosen by hand. An entry whose score can only be printed again is run
    blind once. A reproduction has the seed of the first look, so that both can be compared.

    Args:
        entry: what is judged; one that needs a preparation has it before its seeds.
        track: says how many seeds are run at most, and how many confirm.
        nonce: of the plan.
        by_hand: seeds that somebody chose instead.
    """
    purposes: list[Purpose] = []
    if entry.needs_preparation:
        purposes.append("preparation")
    if by_hand is None:
        looks, confirming = track.significance.most_runs, track.significance.confirmation or 0
        if once_blind(entry, track):
            looks, confirming = 1, 0
        seeds = draw_seeds(
            entry_digest=entry.digest,
            track_digest=track.digest,
            nonce=nonce,
            count=looks + confirming,
        )
        purposes += ["look"] * looks
        purposes += ["confirmation"] * confirming
    else:
        seeds = list(by_hand)
        purposes += ["look"] * len(seeds)
    if entry.layout == "upstream":
        purposes.append("reproduction")
        seeds = [*seeds, seeds[0]]
    drawn = iter(seeds)
    return tuple(
        Draw(number=number, purpose=purpose, seed=0 if purpose == "preparation" else next(drawn))
        for number, purpose in enumerate(purposes)
    )
