"""Measuring all channels of a sandbox, beside a default container that is known to leak."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.sandbox.channels.figures import ChannelReport, Mark
from harness.sandbox.channels.rounds import Stage, run_round, stage
from harness.sandbox.channels.table import BY_ID, Channel
from harness.sandbox.channels.tally import Round, Tally, tally_of
from harness.sandbox.channels.verdict import report
from harness.sandbox.protocol import Sandbox

ROUNDS = 4
CONTROL_ROUNDS = 2
SPARE_ROUNDS = 8
CONTROL_SHARE = 0.1  # an open channel is seen to be open with few bits
_FEWEST = 16  # a symbol is sent whole: its bits are no sample to take a part of


def measure(
    backend: str,
    sandbox: Sandbox,
    control: Sandbox | None,
    mark: Mark,
    *,
    note: Callable[[str], None],
    ids: Iterable[str] | None = None,
    rounds: int = ROUNDS,
    share: float = 1.0,
    accelerators: tuple[str, ...] = (),
) -> ChannelReport:
    """Send and receive; some minutes in full.

    Args:
        backend: its name.
        sandbox: prepared.
        control: starts containers without any isolation that was asked for; prepared. None where
            there is none, and then nothing is called closed that only the measuring says to be.
        mark: what is allowed.
        note: told of the progress.
        ids: channels of the table; all when None.
        rounds: pairs of phases; what moves by itself is learned from the other rounds.
        share: of the table's bits, where fewer are enough.
        accelerators: GPU UUIDs for the phases.

    Raises:
        InfrastructureError: a phase did not come to its end.
    """
    chosen = [BY_ID[id] for id in (BY_ID if ids is None else ids)]
    here = [each for each in chosen if accelerators or not each.needs_gpu]
    ours: dict[str, Tally] = {each.id: Tally(rounds=0) for each in chosen}
    default: dict[str, Tally] | None = None
    with stage(share=share) as laid:
        measured = _Measured(laid, accelerators, note)
        if control is not None:
            few = _bits(here, share * CONTROL_SHARE)
            cached = {id: bits for id, bits in few.items() if BY_ID[id].cached}
            rest = {id: bits for id, bits in few.items() if id not in cached}
            of = "a default container"
            # Apart, because one short round that nobody disturbs is enough for what is cached.
            default = measured.tallies(control, cached, 1, of=f"{of}'s caches", again=True)
            default |= measured.tallies(control, rest, min(rounds, CONTROL_ROUNDS), of=of)
        ours |= measured.tallies(sandbox, _bits(here, share), rounds, of=f"the {backend} sandbox")
    return report(backend, ours, default, mark, rounds=rounds)


def _bits(channels: Iterable[Channel], share: float) -> dict[str, int]:
    return {
        each.id: each.bits
        if each.kind == "number"
        else max(min(_FEWEST, each.bits), round(each.bits * min(1.0, share)))
        for each in channels
    }


@dataclass(frozen=True)
class _Measured:
    """What all rounds have in common."""

    laid: Stage
    accelerators: tuple[str, ...]
    note: Callable[[str], None]

    def tallies(
        self,
        sandbox: Sandbox,
        bits: Mapping[str, int],
        rounds: int,
        *,
        of: str,
        again: bool = False,
    ) -> dict[str, Tally]:
        """All channels over so many rounds of one sandbox.

        ``again``: where somebody dropped the machine's caches, a round is made again, a few times.
        """
        made: list[Round] = []
        if not bits:
            return {}
        spare = SPARE_ROUNDS if again else 0
        while len(made) < rounds:
            self.note(f"{of}: round {len(made) + 1} of {rounds}")
            new = run_round(sandbox, self.laid, bits, self.accelerators)
            if again and new.caches_dropped and spare:
                spare -= 1
                continue
            made.append(new)
        return {id: tally_of(id, made) for id in bits}
