"""The step that sends bits from one bare process to the next."""

import json
from pathlib import Path

from tests.accelerator.desk import found, open_desk
from tests.accelerator.markdown import markdown
from tests.accelerator.sizes import TINY
from tests.accelerator.steps import channels


def test_without_a_gpu_another_channel_shows_that_it_works(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    told = {
        "folder": str(tmp_path), "figures": str(tmp_path / "figures"), "size": TINY.as_json(),
        "cuda": False, "devices": [], "site": "", "data": str(tmp_path), "arguments": {},
    }  # fmt: skip
    channels.run(open_desk(told))
    figures, lacking = found(tmp_path / "figures")
    assert lacking == [{"what": "channels of GPUs", "why": "there is no GPU"}]
    assert list(figures) == ["process_serials"]
    assert figures["process_serials"]["numbers"] >= 1
    assert "broken" not in figures["process_serials"]


def test_what_a_driver_answers_is_in_the_report() -> None:
    said = {"numbers": 31, "bits at most": 700, "said": "readable: energy; refused: power"}
    step = {"name": "channels", "module": "channels", "submission": "", "state": "done", "why": "",
            "seconds": 1.0, "limit_seconds": 9.0, "figures": {"gpu_figures": said}}  # fmt: skip
    content = {"head": {}, "finished": True, "waiting": [], "could_not": [], "steps": [step],
               "conclusions": {}}  # fmt: skip
    text = markdown(json.loads(json.dumps(content)))
    assert "## What one process leaves in GPUs for the next, without a sandbox" in text
    assert "bits at most 700, said readable: energy; refused: power" in text
