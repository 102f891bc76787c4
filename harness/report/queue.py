"""What waits, runs, is done or lost, drawn for terminals."""

from collections import Counter
from pathlib import Path

from rich.console import RenderableType

from harness.report.blocks import Heading, Pairs, Row, Stack, Table, Words
from harness.report.running import roughly
from harness.report.sentences import NAME_LIMIT, PATH_LIMIT
from harness.report.terminal import draw
from harness.run.queue import Queue, QueuedRun, QueuedSubmission
from harness.safeio.text import plain

_WHY_LIMIT = 200


def queue_table(queue: Queue, *, most: int | None = None) -> RenderableType:
    """Counts, then a row for each node and for each verification.

    ``most``: of the verifications only so many, those under way first; the others are counted.
    """
    order = {"under way": 0, "open": 1, "damaged": 1, "judged": 2}
    shown = sorted(queue.submissions, key=lambda each: order[each.state])[:most]
    blocks: list[Heading | Pairs | Table] = [Pairs(_pairs(queue))]
    if queue.nodes:
        heading = ("node", "running", "done", "lost", "refused")
        rows = [
            Row(
                (
                    plain(node.node, NAME_LIMIT),
                    *map(str, (node.running, node.done, node.lost, node.refused)),
                ),
                plain(node.why, _WHY_LIMIT),
            )
            for node in queue.nodes
        ]
        blocks += [Heading("Nodes"), Table(heading, 1, rows, notes="what went wrong last")]
    left = len(queue.submissions) - len(shown)
    headings = ("submission", "waiting", "running", "done", "lost", "verdict")
    rows = [_row(each) for each in shown]
    title = "Submissions" + (f", and {left:,} more" if left else "")
    blocks += [Heading(title), Table(headings, 1, rows, notes="now")]
    return draw(Stack(tuple(blocks)))


def _pairs(queue: Queue) -> list[tuple[str, str | Words]]:
    states = Counter(each.state for each in queue.submissions)
    verdicts = Counter(each.verdict for each in queue.submissions if each.state == "judged")
    words = ", ".join(f"{count:,} {word}" for word, count in sorted(verdicts.items()))
    rows: list[tuple[str, str | Words]] = [
        (
            "submissions",
            f"{states['judged']:,} of {len(queue.submissions):,} judged"
            + (f": {words}" if words else ""),
        ),
        (
            "runs",
            f"{queue.waiting:,} wait, {queue.running:,} run, {queue.done:,} done, "
            f"{queue.lost:,} lost",
        ),
    ]
    if states["open"]:
        rows.append(
            ("open", Words(f"{states['open']:,} that nobody works on: verify --resume", "fail"))
        )
    if queue.left_seconds is not None:
        rows.append(("left", f"{roughly(queue.left_seconds)}, for the runs that are wanted now"))
    return rows


def _row(each: QueuedSubmission) -> Row:
    counts = Counter(run.state for run in each.runs)
    name = plain(Path(each.directory).name, PATH_LIMIT)
    figures = [str(counts[state]) for state in ("waiting", "running", "done", "lost")]
    word = each.verdict or ("nobody works on it" if each.state == "open" else "")
    now = "; ".join(map(_now, (run for run in each.runs if run.state in ("running", "lost"))))
    return Row((name, *figures, word), plain(each.why or now, _WHY_LIMIT))


def _now(run: QueuedRun) -> str:
    where = f" on {plain(run.node, NAME_LIMIT)}" if run.node else ""
    if run.state == "lost":
        return f"seed {run.seed} lost{where} {plain(run.why, _WHY_LIMIT)}".rstrip()
    since = f" for {roughly(run.seconds)}" if run.seconds is not None else ""
    after = f", after {run.step}" if run.step else ""
    return f"seed {run.seed}{where}{since}{after}"
