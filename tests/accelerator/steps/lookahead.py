"""A model that looks ahead by 0.001 nats a target: do the probes see it through the noise?"""

from tests.accelerator.asking import Asking, judged
from tests.accelerator.desk import CannotTryError, Desk, found
from tests.accelerator.official import official_probes
from tests.accelerator.recipe import read_recipe
from tests.accelerator.steps.by_itself import rate_stream

GAIN_NATS = 0.001


def run(desk: Desk) -> None:
    """Score the cheat with probes, ask again, and judge by the official track's bound."""
    recipe = read_recipe(desk)
    honest, _ = found(desk.figures.with_name(f"scoring-{recipe.name}.jsonl"))
    if "mean_probability" not in honest or "harness" not in honest:
        raise CannotTryError(f"{recipe.name} was not scored honestly before")
    # Raising a logit by r gains r (1 - p); the last target of a window is not in it.
    seen = 1 - 1 / recipe.stride
    raised = GAIN_NATS / ((1 - honest["mean_probability"]) * seen)
    plain = Asking(desk, recipe, rate_stream(desk, recipe))
    cheat = plain.with_extra("peeking", "load_model", RAISED=raised)
    probes = cheat.probes(desk.size.probes)
    scores = cheat.score(probes)
    desk.tell("gained_nats", honest["harness"]["val_loss"] - scores.val_loss)
    again = cheat.again(probes)
    verdict = judged(again, cheat.plan, official_probes()["bound"])
    desk.tell("probes", verdict)
    desk.tell("caught", verdict["finding"] == "fail")
