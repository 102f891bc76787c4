"""Everything that one run uses, opened from its directory.

No live object is passed from the main job to a run. So another process can make the run, even on
another machine, if that machine meets the plan's requirements for a host.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from harness.contest.bridge import BRIDGE, Bridge, parse_bridge
from harness.contest.entry import Driven, TakeOver
from harness.data.format.shards import Tokens
from harness.errors import InfrastructureError
from harness.evidence.digests import measured_by
from harness.evidence.draws import DECOY, Draw
from harness.evidence.escapes import in_words, unvouched
from harness.evidence.host import HostFacts
from harness.evidence.integrity import check_entry, check_run, read_files
from harness.evidence.plan import Plan, TextFacts
from harness.evidence.run import Run
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory
from harness.hardware.machine import accelerator_uuids, check_machine, machine
from harness.hardware.telemetry import Telemetry
from harness.package import VERSION
from harness.run.calibrating import calibrated
from harness.run.codec.models import coder_of
from harness.run.codec.phase import Coder
from harness.run.codec.texts import texts_of_code
from harness.run.host_check import check_host
from harness.run.launcher.protocol import Task
from harness.run.launcher.registry import is_alone, is_launched
from harness.run.one_at_a_time import on_this_machine
from harness.run.progress import Progress
from harness.run.score_job import UNLIMITED_SECONDS
from harness.run.scoring_session import ScoringSession
from harness.run.script_job import Script
from harness.run.shown import reap
from harness.run.shown_code import code_shown, normal_tokenizer, preparation_of
from harness.run.small_tree import Rewrite, small_script
from harness.run.texts import StockTexts, Texts, open_texts, texts_of_bytes
from harness.run.tokenizing import NormalTokenizer, OwnTokenizer, own_tokenizer
from harness.safeio.text import is_plain
from harness.sandbox.protocol import Running, Sandbox
from harness.sandbox.registry import choose

TICK_SECONDS = 0.2
LONGEST_NAME = 200


@dataclass(frozen=True)
class Workbench:
    """What a run uses.

    Attributes:
        directory: the directory of the verification.
        draw: which of the plan's draws is run.
        attempt: the number of this try.
        host: what this machine and its sandbox are, as just measured.
        sandbox: a prepared sandbox.
        stock: the texts in the dataset's own tokens.
        progress: told of every step.
        holds: what is released when the run has ended, such as a hold on derived datasets.
        code_starts: called just before the entry's code is started in a step.
    """

    directory: RunDirectory
    draw: Draw
    attempt: int
    host: HostFacts
    sandbox: Sandbox
    stock: StockTexts
    progress: Progress
    holds: ExitStack
    code_starts: Callable[[Step], None] = lambda step: None

    @classmethod
    @contextmanager
    def open(cls, task: Task, *, data: Path, progress: Progress) -> Iterator["Workbench"]:
        """Open what a task needs, and lock its draw, so that no two processes run it at once.

        What may become a record waits until it has the machine to itself.

        Raises:
            UsageError: this is not a run directory, or its evidence is damaged.
            InfrastructureError: the host is not what the plan requires, a file was changed since
                the plan was made, or another harness runs the same draw.
        """
        directory = RunDirectory.open(task.directory)
        plan, draw = directory.plan, directory.plan.draws[task.draw]
        check_entry(directory)
        runs = directory.runs()
        for run in runs:
            check_run(directory, run)
        sandbox = choose(
            plan.required.sandbox,
            track=plan.track,
            runtime=plan.required.runtime,
            note=progress.note,
            layout=plan.entry.layout,
        )
        host = HostFacts(
            node=host_name(),
            machine=machine(needs_accelerators=plan.track.hardware.accelerators > 0),
            sandbox=sandbox.prepare(),
            harness_version=VERSION,
            measured_by=measured_by(),
            alone=is_alone(),
        )
        check_host(plan, host.sandbox)
        if not runs and (known := unvouched(host.sandbox.known_escapes)):
            progress.note(f"code is known to get out of such an engine: {in_words(known)}")
        check_machine(plan.track, host.machine)
        stock = open_texts(plan.track, data, plan.entry.tokenizer)
        check_texts(plan, stock.facts())
        reap(directory.path.absolute().parent)
        at_work = on_this_machine(alone=not plan.rehearsal, note=progress.note)
        with directory.hold(draw), at_work, ExitStack() as holds:
            host = calibrated(host, plan, sandbox, stock, launched=is_launched())
            yield cls(directory, draw, task.attempt, host, sandbox, stock, progress, holds)

    @property
    def plan(self) -> Plan:
        """The plan, fixed before the first run."""
        return self.directory.plan

    @property
    def place(self) -> Path:
        """The directory of this try's evidence."""
        return self.directory.try_directory(self.draw, self.attempt)

    @cached_property
    def own_tokenizer(self) -> OwnTokenizer | None:
        """The tokenizer that the entry brings, unchanged, if it brings one."""
        names = [file.name for file in self.plan.entry.files]
        return own_tokenizer(self.plan.entry, read_files(self.directory.entry, names))

    @cached_property
    def texts(self) -> Texts:
        """The texts in the entry's own tokens."""
        preparation = preparation_of(self.directory)
        proof = preparation.tokenizer if preparation else None
        entry, normal, holds = self.plan.entry, self._normal, self.holds
        if entry.tokenizer.kind == "stock":
            return Texts(self.stock.scored, self.stock.holdout)
        if entry.tokenizer.kind == "code":
            coder = self.coder()
        elif normal is None:
            raise InfrastructureError("the entry's tokenizer has not been proven")
        elif normal.is_bytes:
            note = self.progress.note
            return texts_of_bytes(self.stock, normal, proof, note=note, holds=holds)
        else:
            coder = self.model_coder(normal)
        return texts_of_code(coder, entry, self.host.sandbox, self.stock, proof, holds=holds)

    @cached_property
    def code(self) -> Path:
        """The directory that sandboxes see as the entry's code."""
        shown = code_shown(self.directory, self._normal, self.place / "code")
        return self.holds.enter_context(shown)

    @property
    def takes_over(self) -> bool:
        """Whether the model is asked in a script that is taken over; else the entry loads one."""
        return isinstance(self.plan.entry.score.loader, TakeOver | Driven)

    def script(self, step: Step) -> Script:
        """The script that is taken over in a step, on a tree of its own.

        What it finds there is drawn anew for each step, and is no text: nothing can be learned.
        """
        if step.name not in self._scripts:
            noise = DECOY.of(self.plan.nonce, "noise", self.draw.seed, step.name)
            place = self.place.absolute() / f"{step.name}-decoy"
            self._scripts[step.name] = self.script_on(place, noise=noise)[0]
        return self._scripts[step.name]

    @cached_property
    def _scripts(self) -> dict[str, Script]:
        return {}

    def script_on(
        self,
        data: Path,
        *,
        rewrite: Rewrite = lambda tokens: tokens,
        noise: bytes | None = None,
    ) -> tuple[Script, Tokens]:
        """The entry's script on a small decoy, written to ``data``; and its validation tokens.

        It is the same decoy each time, but for what ``rewrite`` and ``noise`` make of it.
        """
        self.holds.callback(shutil.rmtree, data, ignore_errors=True)
        secret = DECOY.of(self.plan.nonce, "small")
        return small_script(
            bridge_of(self.directory),
            self.code,
            self.plan.track,
            self.texts.scored,
            data,
            accelerators=self.accelerators,
            skip=int.from_bytes(secret[:4], "big"),
            rewrite=rewrite,
            noise=noise,
        )

    def coder(self, step: Step | None = None) -> Coder:
        """What runs the entry's tokenizer, where that is code.

        ``step``: whose phases its sandboxes are; without one, a dataset is only made again, whose
        ids are known.
        """
        plan, tick = self.plan, self.progress.tick
        if plan.track.tokenizing is None:
            raise InfrastructureError(f"track {plan.track.name} gives code no time to tokenize")
        return Coder(
            sandbox=self.sandbox,
            code=self.code,
            tokenizer=plan.entry.tokenizer,
            track_limits=plan.track.sandbox,
            allowed=plan.track.tokenizing.with_time(plan.time_scale),
            nonce=plan.nonce,
            log=self.log(step) if step is not None else self.place / "texts.log",
            starting=partial(self.code_starts, step) if step is not None else lambda: None,
            note=self.progress.note,
            tick=tick,
        )

    def model_coder(self, normal: NormalTokenizer, step: Step | None = None) -> Coder:
        """The same for a SentencePiece model, with code of ours."""
        place = self.place.absolute() / f"{step.name if step is not None else 'texts'}-code"
        self.holds.callback(shutil.rmtree, place, ignore_errors=True)
        return coder_of(
            normal,
            place,
            sandbox=self.sandbox,
            track_limits=self.plan.track.sandbox,
            nonce=self.plan.nonce,
            log=self.log(step) if step is not None else self.place / "texts.log",
            note=self.progress.note,
            tick=self.progress.tick,
        )

    @cached_property
    def _normal(self) -> NormalTokenizer | None:
        return normal_tokenizer(self.directory)

    @cached_property
    def session(self) -> ScoringSession:
        """Scores the validation split and, later in the same run, its probes."""
        return ScoringSession(self, self.texts.scored)

    @cached_property
    def holdout_session(self) -> ScoringSession:
        """The same for the unpublished documents, where the track names some."""
        assert self.texts.holdout is not None  # noqa: S101 - steps follow from the plan's texts
        return ScoringSession(self, self.texts.holdout, suffixes=self.texts.scored)

    @cached_property
    def accelerators(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that the track needs; none for a track that needs none."""
        return accelerator_uuids(self.plan.track, self.host.machine)

    def begin(self) -> Run:
        """Begin the try: make its directory, and record the host in it.

        A rescoring has one artifact for each seed, and takes over what counts besides its score.
        """
        beside = None
        if self.plan.copies is not None:
            before = original_of(self.directory).counted(self.draw)
            beside = before.beside if before is not None else None
        self.directory.begin_try(self.draw, self.attempt)
        run = Run(
            draw=self.draw.number,
            seed=self.draw.seed,
            role=self.draw.role,
            attempt=self.attempt,
            host=self.host,
            beside=beside,
        )
        self.directory.write_run(run)
        return run

    def tick(self, running: Running) -> None:
        """Report that a phase goes on."""
        self.progress.tick(running.elapsed_seconds, running.last_line)

    @property
    def trial_seconds(self) -> float:
        """What a run may take that only tries an entry out: its budget of training."""
        budget = self.plan.track.budget.train_seconds
        return UNLIMITED_SECONDS if budget is None else budget * self.plan.time_scale

    def announce(self, run: Run, step: Step) -> None:
        """Report that a step begins."""
        limit = step.limit(self.plan)
        self.progress.step(self.directory, run, step, limit_seconds=limit)

    def telemetry(self, step: Step, running: Running) -> Telemetry:
        """What watches the accelerators while a phase of a step runs."""
        return Telemetry(
            self.accelerators, is_ours=running.owns, file=self.place / step.telemetry_file
        )

    def log(self, step: Step) -> Path:
        """Where a step's log is written."""
        assert step.log is not None  # noqa: S101 - asked for steps in which code runs
        return self.place / step.log


def bridge_of(directory: RunDirectory) -> Bridge:
    """The bridge of an entry in upstream's layout, as it was when the plan was made.

    Raises:
        UsageError, InfrastructureError: it is damaged.
    """
    content = read_files(directory.bridge, [BRIDGE])[BRIDGE]
    return parse_bridge(content, file=f"bridge/{BRIDGE}")


def host_name() -> str:
    """What the referee calls this machine: ``HARNESS_NODE``; empty where it has no name.

    Raises:
        InfrastructureError: it is too long, or holds what does not belong into a name.
    """
    name = os.environ.get("HARNESS_NODE", "").strip()
    if not is_plain(name, LONGEST_NAME):
        raise InfrastructureError(
            f"HARNESS_NODE: expected a printable name of at most {LONGEST_NAME} characters",
            remedy="set the environment variable to a shorter name, or unset it",
        )
    return name


def original_of(directory: RunDirectory) -> RunDirectory:
    """The verification whose artifacts a rescoring scores again.

    Raises:
        UsageError, InfrastructureError: it does not exist any more, or is another one.
    """
    copies = directory.plan.copies
    assert copies is not None  # noqa: S101 - asked for plans that copy
    original = RunDirectory.open(directory.path.parent / copies.directory)
    if original.plan_sha256() != copies.plan_sha256:
        raise InfrastructureError(
            "not the verification whose artifacts are to be scored again",
            file=original.path,
            remedy="restore it from a copy, or run the verification again",
        )
    return original


def check_texts(plan: Plan, found: TextFacts) -> None:
    """Check that the texts here, and their figures, are those of the plan.

    Raises:
        InfrastructureError: they differ, or somebody changed the plan.
    """
    planned = plan.texts
    if planned.dataset.digest != found.dataset.digest:
        raise InfrastructureError(
            f"dataset {planned.dataset.name}: not the one that the verification was begun with "
            f"({planned.dataset.digest[:12]}, now {found.dataset.digest[:12]})",
            remedy="name the directory that holds it with --data, or start a new verification",
        )
    if planned.entered != found.entered:
        raise InfrastructureError(
            "the dataset of the same text in the entry's tokens is not the one that the "
            "verification was begun with",
            remedy="name the directory that holds it with --data, or start a new verification",
        )
    if planned.dataset != found.dataset:
        raise InfrastructureError(
            f"the plan's figures of dataset {planned.dataset.name} are not those of the dataset "
            "at hand: somebody changed them",
            remedy="start a new verification without --resume",
        )
    if planned.holdout != found.holdout:
        raise InfrastructureError(
            "the unpublished documents are not those that the verification was begun with",
            remedy="name the directory that holds them with --data, or start a new verification",
        )
