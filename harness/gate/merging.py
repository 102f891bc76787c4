"""Determines the result of a merge, and what it changes outside of the one submission.

A pull request is judged by its result: the tree of the merge, compared with the tree of the base's
tip by object ids. A list of differences against one common ancestor does not show this. Where two
histories cross there are several best common ancestors, the author chooses by commit dates which
one git names first, and a file that was reverted to the state of one of them looks unchanged from
there, while the merge reverts it on the base.

Two questions are asked, because a merge does not depend on its two sides alone:

1. **Whatever the ancestor** (:meth:`History.changes`): for *every* best common ancestor, the head's
   content at each name outside of the folder equals that ancestor's or the base tip's. Then a
   three-way merge, name by name, keeps the base's content, whichever ancestor it starts from. That
   also holds for git's virtual ancestor: its content at a name is the content of an ancestor, which
   is covered, or a mixture of ancestors that differ; then the head cannot equal both of them, so it
   equals the base's tip. No merge driver, attribute or strategy is used for a name that only one
   side has changed.
2. **What git makes of it** (:func:`merged`): ``git merge-tree --write-tree`` (git 2.38 or newer),
   the same code as ``git merge``, with all ancestors and with renames. It finds what question 1
   can't: files that move along with a folder that the base has renamed, and conflicts.

Both are always asked. ``merge-tree`` runs in the clean room, an empty bare repository
that borrows the clone's objects: no configuration but ours, so no driver, filter, textconv or hook
has a command to run; no working tree and no index, so no ``.gitattributes`` is read and no
submodule is entered; no ``info/attributes``, no grafts, no replaced objects, no commit graph. What
it writes is deleted with the room. It runs only after question 1 has bounded what the head changes.

Out of our control: the base may move on after the check, and a forge that replays the commits one
by one instead of merging ("rebase and merge") makes a different tree; ``docs/gate.md`` says what to
forbid.
"""

from dataclasses import dataclass

from harness.gate.history import History
from harness.safeio.git_objects import git_answer


@dataclass(frozen=True)
class Merged:
    """The tree that a merge gives; None if it stops; ``conflicts`` are those that git names."""

    tree: str | None
    conflicts: tuple[bytes, ...] = ()


def merged(history: History) -> Merged:
    """Merge the head into the base's tip, in the clean room.

    Raises:
        InfrastructureError: git failed, took too long, or objects are missing.
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
    # Git may name no file in a conflict over a file's place in a renamed folder.
    return Merged(None, tuple(dict.fromkeys(name for name in names if name)))
