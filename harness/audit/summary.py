"""The evidence of a folder: figures, and one word for each topic; no policy is applied."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.audit.claim_matching import FAR_BPB, Gathered
from harness.audit.findings import ClaimKind, Readings
from harness.audit.scripts import Scripts
from harness.audit.setting_names import setting_names
from harness.contest.track import Track
from harness.upstream.claims import Claims
from harness.upstream.folder import RecordFolder
from harness.upstream.logs.logged import LoggedRun

# Loops check their clock between steps: upstream's stopped 8 to 137 ms past their cap.
LAST_STEP_SECONDS = 0.2
_DATE_IN_NAME = re.compile(r"(20\d\d-[01]\d-[0-3]\d)(?=\D|$)")
REQUIRED = ("README.md", "submission.json", "train_gpt.py")
_SCORE: dict[
    ClaimKind, Literal["supported", "best_seed", "one_of_several", "unsupported", "no_claim"]
] = {
    "mean": "supported",
    "single": "supported",
    "best": "best_seed",
    "one_of_several": "one_of_several",
    "unsupported": "unsupported",
    "none": "no_claim",
}


@dataclass(frozen=True)
class Evidence:
    """All that was read in a folder, as input of the rules."""

    folder: RecordFolder
    claims: Claims
    gathered: Gathered
    scripts: Scripts
    readme: str
    track: Track

    @cached_property
    def runs(self) -> list[LoggedRun]:
        """The runs behind the claim."""
        return self.gathered.counted

    @property
    def date(self) -> str | None:
        """When the record was made, as far as it says."""
        return date_of(self.folder.path, self.claims)

    @property
    def missing(self) -> list[str]:
        """Required files that are neither in the folder nor in its manifest."""
        missing = [name for name in REQUIRED if name not in self.folder.files]
        if self.folder.readme_name and "README.md" in missing:
            missing.remove("README.md")
        return missing

    @cached_property
    def hollow(self) -> dict[str, str]:
        """Files that are there by name alone, and what each lacks.

        Logs of errors are empty where nothing went wrong, so only one of scores says something.
        """
        files, found = self.folder.files, {}
        for name, file in files.items():
            own = name in (*REQUIRED, self.folder.readme_name) or name.lower().endswith(".log")
            if own and file.bytes == 0:
                found[name] = "is empty"
        claims, readme = self.claims.file, self.folder.readme_name
        if claims and self.claims.empty:
            found.setdefault(claims, "claims nothing")
        if readme and files[readme].here and not self.readme.strip():
            found.setdefault(readme, "holds no text")
        for script in self.scripts.scripts:
            if script.says_nothing:
                found.setdefault(script.file.name, "holds no statement")
        for log in self.gathered.logs:
            if log.blank and log.name.lower().endswith(".log"):
                found.setdefault(log.name, "holds no text")
        return found

    @cached_property
    def heaviest(self) -> LoggedRun | None:
        """The run with the largest logged total."""
        weighed = [run for run in self.runs if run.total_bytes is not None]
        return max(weighed, key=lambda run: run.total_bytes or 0, default=None)

    def shipped(self, run: LoggedRun) -> int | None:
        """Bytes of the run's model and of the scripts in the folder."""
        if run.model_bytes is None or all(s.says_nothing for s in self.scripts.scripts):
            return None
        return run.model_bytes + self.scripts.bytes

    @cached_property
    def heaviest_model(self) -> LoggedRun | None:
        """The run with the largest model."""
        weighed = [run for run in self.runs if run.model_bytes is not None]
        return max(weighed, key=lambda run: run.model_bytes or 0, default=None)

    @property
    def needed_bytes(self) -> int:
        """Bytes of the helpers that the score needs."""
        return sum(self.folder.files[name].bytes for name in self.scripts.needed)

    @property
    def possible_bytes(self) -> int:
        """Bytes of the helpers of which it is unknown whether the score needs them."""
        return sum(self.folder.files[name].bytes for name in self.scripts.possible)

    @cached_property
    def setting_names(self) -> frozenset[str]:
        """The names that the scripts read as settings."""
        return setting_names([source for s in self.scripts.scripts for source in s.sources])

    def code_matches(self, run: LoggedRun) -> bool | None:
        """Whether a script of the folder made the run; None where that is unknown."""
        shipped = {script.file.bytes for script in self.scripts.scripts}
        shipped |= {len(source) for s in self.scripts.scripts for source in s.sources}
        if not shipped or (not run.code_bytes_logged and not self.echo_of(run)):
            return None
        if run.code_bytes_logged:
            return bool(shipped & set(run.code_bytes_logged))
        return self.echo_matches(run)

    def echo_of(self, run: LoggedRun) -> bytes:
        """The source code echoed in the run's log; empty if there is none."""
        name = run.trained_in or run.log
        echoes = [e for log in self.gathered.logs if log.name == name for e in log.echoes]
        return max((echo.text for echo in echoes), key=len, default=b"")

    def echo_matches(self, run: LoggedRun) -> bool | None:
        """Whether the log's echo contains a script of the folder; None without either."""
        echo = self.echo_of(run)
        sources = [source for s in self.scripts.scripts for source in s.sources]
        if not sources or len(echo) < 1000:
            return None
        return any(source.replace(b"\r\n", b"\n").strip() in echo for source in sources)


def date_of(folder: Path, claims: Claims) -> str | None:
    """The date that a record states, else the date at the beginning of its folder's name."""
    found = _DATE_IN_NAME.match(folder.resolve().name)
    return claims.date or (found[1] if found else None)


def read_evidence(evidence: Evidence) -> Readings:
    """Summarize the runs behind the claim in one word for each topic."""
    return Readings(
        score=_SCORE[evidence.gathered.claim.kind],
        size=_size(evidence),
        train_time=_train_time(evidence.runs, evidence.track.budget.train_seconds),
        post_train=_post_train(evidence.runs, evidence.track.budget.train_seconds),
        seeds=len(seeds_behind(evidence)),
        script=_script(evidence),
        hardware=_hardware(evidence.runs, evidence.track),
        files="incomplete" if _lacks(evidence) else "complete",
    )


def seeds_behind(evidence: Evidence) -> set[int]:
    """Distinct logged seeds behind the claim; empty if the claim is far from every run."""
    claim = evidence.gathered.claim
    if claim.kind == "unsupported" and claim.val_bpb is not None:
        scores = [run.val_bpb for run in evidence.runs if run.val_bpb is not None]
        if min((abs(score - claim.val_bpb) for score in scores), default=9.0) > FAR_BPB:
            return set()
    return {run.seed for run in evidence.runs if run.seed is not None}


def overshoot(run: LoggedRun, limit: float) -> float:
    """Seconds of training past the limit, in favor of the run where its clock was rounded."""
    past = (run.train_seconds or 0.0) - run.train_slack_seconds - limit
    return past if past > 0 else 0.0


def post_trained(run: LoggedRun) -> float | None:
    """Seconds until the artifact existed: training, and the work after it that the log reports."""
    if run.train_seconds is None or run.post_train_seconds is None:
        return None
    return run.train_seconds + run.post_train_seconds


def _lacks(evidence: Evidence) -> bool:
    logs = evidence.gathered.logs or evidence.gathered.unread
    return bool(evidence.missing or evidence.hollow or not logs)


def _size(
    evidence: Evidence,
) -> Literal[
    "under_cap",
    "over_cap_logged",
    "over_cap_if_shipped_script_counted",
    "over_cap_if_all_needed_code_counted",
    "not_logged",
]:
    cap = evidence.track.budget.bytes
    heaviest, model = evidence.heaviest, evidence.heaviest_model
    if heaviest is None and model is None:
        return "not_logged"
    logged = (heaviest.total_bytes if heaviest else 0) or 0
    shipped = (evidence.shipped(model) if model else None) or 0
    if logged > cap:
        return "over_cap_logged"
    if shipped > cap:
        return "over_cap_if_shipped_script_counted"
    if max(logged, shipped) + evidence.needed_bytes > cap:
        return "over_cap_if_all_needed_code_counted"
    return "under_cap"


def _train_time(
    runs: Sequence[LoggedRun], limit: float | None
) -> Literal["ok", "over_by_less_than_0.2s", "over", "not_logged"]:
    timed = [run for run in runs if run.train_seconds is not None]
    if not timed:
        return "not_logged"
    if limit is None:
        return "ok"
    worst = max(overshoot(run, limit) for run in timed)
    if worst <= 1e-9:
        return "ok"
    return "over_by_less_than_0.2s" if worst < LAST_STEP_SECONDS else "over"


def _post_train(
    runs: Sequence[LoggedRun], limit: float | None
) -> Literal["ok_or_not_logged", "gptq_past_600s"]:
    until = [seconds for run in runs if (seconds := post_trained(run)) is not None]
    late = limit is not None and max(until, default=0.0) > limit + LAST_STEP_SECONDS
    return "gptq_past_600s" if late else "ok_or_not_logged"


def _script(
    evidence: Evidence,
) -> Literal["same_as_logged", "differs_from_logged", "missing", "not_logged"]:
    if not evidence.scripts.scripts:
        return "missing"
    told = [evidence.code_matches(run) for run in evidence.runs]
    if False in told:
        return "differs_from_logged"
    return "same_as_logged" if True in told else "not_logged"


def _hardware(
    runs: Sequence[LoggedRun], track: Track
) -> Literal["8xH100_in_log", "claimed_only", "other"]:
    wanted = track.hardware
    if not wanted.accelerators:
        return "claimed_only"
    for run in runs:
        if run.gpu is not None and run.gpu != wanted.accelerator_name:
            return "other"
        if run.world_size is not None and run.world_size != wanted.accelerators:
            return "other"
    named = any(run.gpu is not None for run in runs)
    return "8xH100_in_log" if named else "claimed_only"
