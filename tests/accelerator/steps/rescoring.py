"""One artifact scored three times in fresh workers: how far apart are the scores?

Twice in the same way, and once with requests of half the size, as on another machine.
"""

import numpy as np

from tests.accelerator.asking import Asking
from tests.accelerator.desk import Desk
from tests.accelerator.recipe import read_recipe


def run(desk: Desk) -> None:
    """Score the validation text, and compare totals and documents."""
    recipe = read_recipe(desk)
    tokens = np.load(desk.folder / "validation.npy")
    asking = Asking(desk, recipe, tokens, np.load(desk.folder / "bytes.npy"))
    totals, documents = [], []
    ways = (("first", None), ("second", None), ("smaller", asking.at_once // 2))
    for name, at_once in ways:
        scores = asking.score(at_once=at_once)
        desk.tell(f"{name}_bpb", scores.val_bpb)
        totals.append(scores)
        with np.load(desk.folder / f"documents-{desk.figures.stem}.npz") as kept:
            documents.append(kept["nats"] / np.maximum(1, kept["targets"]))
        if len(totals) > 1:
            apart = abs(totals[-1].val_bpb - totals[0].val_bpb)
            largest = float(np.abs(documents[-1] - documents[0]).max())
            desk.tell(f"{name}_apart_bpb", apart)
            desk.tell(f"{name}_apart_nats_a_target", abs(scores.val_loss - totals[0].val_loss))
            desk.tell(f"{name}_largest_document_apart_nats_a_target", largest)
    desk.tell("documents", totals[0].documents)
    desk.tell("targets", totals[0].targets)
