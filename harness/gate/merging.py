"""What merging would give, and what of it is not the one submission's.

A pull request is judged by its result: the tree of the merge, compared with the tree of the base's
tip by ids of objects. What lists differences against one common ancestor do not show this. Where
two histories cross there are several best common ancestors, the author chooses by commit dates
which one git names first, and a file that was put back to how one of them has it looks unchanged
from there, while the merge puts it back on the base.

Two questions are asked, because a merge is no function of its two sides alone:

1. **Whatever the ancestor** (:meth:`History.changes`): for *every* best common ancestor, each name
   outside of the folder is at the head as it is there, or as it is at the base's tip already. Then
   a merge of three sides, name by name, leaves the base's whichever of them it begins from. It does
   so from git's virtual ancestor too: that one's content at a name is an ancestor's, which the
   answer covers, or a mixture of ancestors that differ, and then the head, which can't be as both
   are, is as the base's tip is. No driver for merging, no attribute and no strategy is
   asked about a name that only one side has changed.
2. **What git makes of it** (:func:`merged`): ``git merge-tree --write-tree`` (git 2.38 or newer),
   the very code of ``git merge``, with all ancestors and with renames. It finds what question 1
   can't: files that follow a folder which the base has renamed, and conflicts.

Neither is let off for the other. ``merge-tree`` runs in the clean room, an empty bare repository
that borrows the clone's objects: no configuration but ours, so no driver, filter, textconv or hook
has a command; no working tree and no index, so no ``.gitattributes`` is obeyed and no submodule is
entered; no ``info/attributes``, no grafts, no replaced objects, no commit graph. What it writes is
deleted with the room. It runs only once question 1 has bounded what the head brings.

Out of reach: the base may move on after the check, and a forge that replays the commits one by one
instead of merging ("rebase and merge") makes another tree; ``docs/gate.md`` says what to forbid.
"""

from dataclasses import dataclass

from harness.gate.history import History
from harness.safeio.git_objects import git_answer


@dataclass(frozen=True)
class Merged:
    """The tree that a merge gives; None where it stops, ``conflicts`` as far as git names any."""

    tree: str | None
    conflicts: tuple[bytes, ...] = ()


def merged(history: History) -> Merged:
    """Merge the head into the base's tip, in the clean room.

    Raises:
        InfrastructureError: git failed, took too long, or lacks objects.
    """
    code, output = git_answer(
        history.room,
        *("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"),
        *(history.base, history.head),
        what="what merging would give",
        codes=(0, 1),
    )
    tree, *names = output.split(b"\0")
    if code == 0:
        return Merged(tree.decode("ascii"))
    # A conflict over where a file belongs, in a folder that was renamed, need not name any.
    return Merged(None, tuple(dict.fromkeys(name for name in names if name)))
