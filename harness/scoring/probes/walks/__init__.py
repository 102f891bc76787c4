"""In which order a stream is asked again: a stream as a whole, in segments, or by document."""

import numpy as np

from harness.scoring.probes.drawing import Walk
from harness.scoring.probes.walks.documents import DocumentWalk
from harness.scoring.probes.walks.sections import Sections, SectionWalk
from harness.scoring.probes.walks.segments import SegmentWalk
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.documents import DocumentPlan


def walk_of(plan: WindowPlan | DocumentPlan, rng: np.random.Generator) -> Walk:
    """The walk through a plan's stream; what is drawn of it comes from ``rng``."""
    if isinstance(plan, DocumentPlan):
        return DocumentWalk(plan, order=plan.order[::-1])
    if plan.segment is not None:
        return SegmentWalk(plan)
    return SectionWalk(plan, Sections.draw(rng, tokens=plan.tokens, length=plan.length))
