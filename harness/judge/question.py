"""The question that a test asks of some scores, and its answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.evidence.plan import PlannedTest
from harness.judge.tested import StatisticsResult
from harness.statistics.tests import OneSample, Prior, one_sample, welch


@dataclass(frozen=True)
class Question:
    """One kind of test, and all that it needs beside the scores.

    ``prior`` is that of a moderated test; ``record`` are the record's own seeds, for Welch's.
    """

    kind: str
    threshold: float | None
    prior: Prior | None = None
    record: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, test: PlannedTest | None, *, threshold: float | None, record: Sequence[float] = ()
    ) -> "Question":
        """The question of a planned test; the plain one where there is none."""
        prior = None
        if test is not None and test.kind == "moderated":
            assert test.field_sd_bpb and test.field_degrees  # noqa: S101 - the plan holds both
            prior = Prior(test.field_sd_bpb, test.field_degrees)
        return cls(test.kind if test else "plain", threshold, prior, tuple(record))

    @classmethod
    def asked_in(cls, result: StatisticsResult) -> "Question":
        """The question that a verdict's statistics answer."""
        prior = None
        if result.test == "moderated" and result.field_sd_bpb and result.field_degrees:
            prior = Prior(result.field_sd_bpb, result.field_degrees)
        return cls(result.test or "plain", result.threshold_bpb, prior, result.record_bpb or ())

    def answer(self, values: Sequence[float]) -> OneSample:
        """What the test says of the scores. A case in which it is not defined has no p."""
        plain = one_sample(values, threshold=self.threshold, prior=self.prior)
        if self.kind != "welch" or plain.case not in ("tested", "zero variance"):
            return plain
        assert self.threshold is not None  # noqa: S101 - a case without one has another name
        if len(self.record) < 2 or not all(map(math.isfinite, self.record)):
            undefined = OneSample("no record seeds", plain.n, plain.mean, plain.deviation)
            return replace(undefined, interval_99=plain.interval_99, plain_p=plain.p)
        # The difference that the threshold asks for: the margin, where the bar is their mean.
        shift = self.threshold - math.fsum(self.record) / len(self.record)
        found = welch(self.record, values, shift=shift)
        if found is None:
            return plain
        return replace(
            plain, case="tested", t=found.t, p=found.p_below, degrees=found.degrees, plain_p=plain.p
        )

    def p_of(self, values: Sequence[float]) -> float | None:
        """p alone."""
        return self.answer(values).p
