"""Whether the bridge of a folder in upstream's layout is right, without judging the folder.

The same two or three runs as before a verification (:mod:`harness.run.check_bridge`), in a
directory that is removed: nothing is trained in earnest, and nothing is kept.
"""

import tempfile
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from harness.adopt.entered import check_fits, entered
from harness.contest.bridge import Bridge
from harness.contest.track import Track
from harness.errors import SubmissionError
from harness.evidence.results import BridgeProof
from harness.hardware.machine import accelerator_uuids, machine
from harness.judge.rules.bridge import driven_of
from harness.models import Fact
from harness.run.check_bridge import checked
from harness.run.needs import check_needs
from harness.run.texts import open_texts
from harness.run.trying import Tick
from harness.safeio.files import disk_errors, write_atomically, write_files
from harness.sandbox.protocol import Sandbox
from harness.upstream.folder import RecordFolder

Outcome = Literal["agrees", "differs", "failed", "lost"]
_RUNS = ("whole", "taken over", "driven")


class FolderCheck(Fact):
    """What a check of a folder's bridge found.

    ``outcome``: our loss is the printed one, or it is not, or nothing could be compared, by the
    script's fault or (``lost``) by ours; ``problem`` is the reason. ``proof`` has the losses in
    nats. ``run_seconds`` are of the runs that were made, by what was run; ``seconds`` all that the
    check took.
    """

    outcome: Outcome
    track: str
    sandbox: str
    proof: BridgeProof | None = None
    problem: str = ""
    run_seconds: dict[str, float] = Field(default_factory=dict)
    seconds: float


def check_folder(
    folder: RecordFolder,
    bridge: Bridge,
    track: Track,
    sandbox: Sandbox,
    *,
    data: Path,
    seconds: float,
    log: Path | None = None,
    tick: Tick = lambda running: None,
) -> FolderCheck:
    """Run the script of a folder by a bridge, and compare our loss with what it prints.

    Args:
        folder: what was sent.
        bridge: what is checked; it has an evaluation.
        track: names the text; a rehearsal makes the script small.
        sandbox: is prepared here.
        data: directory of the datasets.
        seconds: that each run may take.
        log: gets what the runs printed; nothing is kept when None.
        tick: called a few times a second.

    Raises:
        SubmissionError: the folder does not fit to the track, or lacks a file.
        InfrastructureError: something that it needs is not here, or our side failed.
    """
    began = time.monotonic()
    check_fits(folder, bridge, track)
    found = entered(folder, bridge, track)
    dataset, files = open_texts(track, data, found.entry.tokenizer).scored, found.files
    facts = sandbox.prepare()
    check_needs(bridge, facts, rehearsal=track.hardware.accelerators == 0)
    here = machine(needs_accelerators=track.hardware.accelerators > 0)
    with tempfile.TemporaryDirectory(prefix="pgolf-check-") as name:
        top = Path(name).resolve()
        code, place = top / "code", top / "place"
        with disk_errors(top):
            top.chmod(0o755)
            place.mkdir()
            write_files(code, files)
        check = checked(
            *(bridge, code, track, sandbox, dataset),
            place=place,
            seconds=seconds,
            accelerators=accelerator_uuids(track, here),
            tick=tick,
        )
        proof, problem = None, ""
        try:
            proof = check.prove()
        except SubmissionError as error:
            problem = str(error)
        finally:
            if log is not None and check.log.exists():
                write_atomically(log, check.log.read_bytes())
    return FolderCheck(
        outcome=_outcome(proof),
        track=track.name,
        sandbox=facts.kind,
        proof=proof,
        problem=problem or _nothing_compared(proof),
        run_seconds={
            run: round(phase.wallclock_seconds, 3)
            for run, phase in zip(_RUNS, check.phases, strict=False)
        },
        seconds=round(time.monotonic() - began, 3),
    )


def _outcome(proof: BridgeProof | None) -> Outcome:
    if proof is None or proof.apart_nats is None:
        return "failed"
    driven = proof.driven_loss is None or driven_of(proof)[0] == "pass"
    return "agrees" if proof.agrees and driven else "differs"


def _nothing_compared(proof: BridgeProof | None) -> str:
    if proof is None or proof.apart_nats is not None:
        return ""
    return "the script ran whole, but left no artifact or no loss to compare"
