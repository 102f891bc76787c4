"""The program: sends, where it was told the seed of the bits, or else receives.

Its argument is JSON: ``channels`` (how many bits of each), ``places``, and the seed.
"""

import json
import sys
import traceback

from . import places
from .bits import message, tell
from .catalog import channels
from .gpu_driver import NotHereError
from .numbers import Places


def main() -> None:
    """Go through all channels that were asked for; one that breaks does not stop the others."""
    told = json.loads(sys.argv[1])
    known = channels(Places(**told["places"]))
    wanted: dict[str, int] = told["channels"]
    sending = "seed" in told
    order = [name for name in known if name in wanted]
    for name in order if sending else reversed(order):
        channel = known[name]
        try:
            count = wanted[name] if channel.room is None else min(wanted[name], channel.room())
            if sending:
                facts = channel.send(message(told["seed"], name, count))
            else:
                facts = channel.receive(count)
            tell(name, bits=count, **facts)
        except NotHereError as lacking:
            tell(name, bits=0, error=f"{lacking}")
        except Exception:  # noqa: BLE001 - told as such, and judged outside
            tell(name, bits=0, error=traceback.format_exc(limit=-2)[-600:])
    if sending:
        places.stay()
    print(json.dumps(["done"]), flush=True)


if __name__ == "__main__":
    main()
