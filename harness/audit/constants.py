"""Takes out of logs what no run can have measured: a score that is the same whatever the seed.

A figure that a script only repeats, such as the record to beat, may have any name. But where the
runs' own scores differ, one that is the same in all of them to the last digit is none of them.
"""

from collections.abc import Iterator, Sequence

from harness.upstream.logs.log_run import Draft
from harness.upstream.logs.logged import Evaluation
from harness.upstream.wording import is_diagnostic

_FEWEST_DECIMALS = 4
"""With fewer, the scores of different seeds are often the same."""


def drop_constants(drafts: Sequence[Draft]) -> None:
    """Drop scores that are the same in runs of different seeds, where other scores are not.

    A figure with a loss beside it was computed, and one that is another's, rounded, is that one.
    """
    scored = [draft for draft in drafts if draft.evaluations]
    if len({draft.seed for draft in scored}) < 2:
        return
    by_name: dict[str, list[tuple[Draft, Evaluation]]] = {}
    for draft in scored:
        for one in draft.evaluations:
            by_name.setdefault(one.name, []).append((draft, one))
    measured = {
        id(one): one
        for name, found in by_name.items()
        if not is_diagnostic(name) and len({one.val_bpb for _, one in found}) > 1
        for _, one in found
    }
    for found in by_name.values():
        if len({draft.seed for draft, _ in found}) > 1 and _is_repeated(found, measured):
            for draft, one in found:
                draft.evaluations.remove(one)


def _is_repeated(found: list[tuple[Draft, Evaluation]], measured: dict[int, Evaluation]) -> bool:
    if len({one.val_bpb for _, one in found}) > 1:
        return False
    plain = all(one.val_loss is None and one.decimals >= _FEWEST_DECIMALS for _, one in found)
    return plain and all(_is_apart(draft, one, measured) for draft, one in found)


def _is_apart(draft: Draft, one: Evaluation, measured: dict[int, Evaluation]) -> bool:
    """Whether a run has scores of its own, and this figure is none of them, rounded."""
    own = list(_own(draft, measured))
    width = 0.51 * 10.0**-one.decimals + 1e-9
    return bool(own) and all(abs(each.val_bpb - one.val_bpb) > width for each in own)


def _own(draft: Draft, measured: dict[int, Evaluation]) -> Iterator[Evaluation]:
    return (each for each in draft.evaluations if id(each) in measured)
