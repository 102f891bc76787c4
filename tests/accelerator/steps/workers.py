"""Eight workers at once: does our own side keep up with eight devices?

Where there are fewer devices they share them, so that what is measured is our side.
"""

import numpy as np

from tests.accelerator.asking import Asking
from tests.accelerator.desk import Desk
from tests.accelerator.recipe import read_recipe
from tests.accelerator.steps.by_itself import rate_stream


def run(desk: Desk) -> None:
    """The same stream by one worker and by several."""
    recipe = read_recipe(desk)
    stream = rate_stream(desk, recipe)
    for workers in (1, desk.size.workers):
        # More of it for several: each should have some dozen requests.
        asking = Asking(desk, recipe, np.tile(stream, max(1, workers // 2)))
        scores = asking.score(workers=workers)
        rate = asking.settled_rate
        desk.tell(
            f"{workers} workers",
            {
                "targets_a_second": round(scores.tokens_per_second),
                "settled_targets_a_second": None if rate is None else round(rate),
                "load_seconds": round(scores.load_seconds, 2),
                "requests": scores.requests,
                "val_loss": scores.val_loss,
            },
        )
    desk.tell("devices", max(1, len(desk.devices)))
