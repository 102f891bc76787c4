"""Chances on a terminal: every figure at every width, and a curve with both axes."""

import io
import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from harness.report.power import ChanceCurve, power_table
from harness.simulation.power import PowerReport, Size, power_report
from tests.factories.playground import harness, write_track
from tests.simulation.rules import official_track


@pytest.fixture(scope="module")
def report() -> PowerReport:
    size = Size(targets=62_021_845, text_bytes=151_080_891, source="the field's text")
    return power_report(official_track(), size, entries=500)


def drawn(what: object, width: int, *, ascii_only: bool = False) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if ascii_only else "utf-8")
    Console(file=file, width=width, color_system=None, _environ={}).print(what)
    file.seek(0)
    return file.read()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_every_figure_fits_every_width(report: PowerReport, width: int) -> None:
    text = drawn(power_table(report), width)
    assert max(map(cell_len, text.splitlines())) <= width
    for each in report.gains:
        assert f"{each.gain_bpb:.6f}" in text and f"{100 * each.record:.2f} %" in text
    for row in report.deviations:
        assert f"{100 * row.whole_margin:.2f} %" in text


def test_a_curve_has_its_shares_where_they_belong() -> None:
    curve = ChanceCurve(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (2.0, 1.0)), ((0.0, "0"), (1.0, "m")))
    lines = drawn(curve, 60).splitlines()
    assert lines[0].startswith("   100 % │") and lines[10].startswith("     0 % │")
    assert lines[0].index("•") > lines[10].rindex("•")
    middle = lines[-1].index("m")
    assert abs(lines[0].index("•") - middle) <= 2
    assert "•" not in "".join(lines[1:10])


def test_a_terminal_without_unicode_gets_plain_signs(report: PowerReport) -> None:
    curve = ChanceCurve(report.curve, ((0.0, "0"),))
    assert drawn(curve, 60, ascii_only=True).isascii()


def test_a_curve_is_no_wider_than_can_be_read(report: PowerReport) -> None:
    assert max(map(len, drawn(ChanceCurve(report.curve, ()), 300).splitlines())) <= 90


def test_the_command_says_what_it_needs_and_writes_json(tmp_path: Path) -> None:
    track = write_track(tmp_path / "own.toml")
    done = harness("power", "--track", track, "--data", tmp_path, "--sd", "0.08")
    assert done.code == 2 and "turn nats into BPB" in done.err
    for wrong, said in ((("--gain", "-1"), "--gain"), (("--sd", "0"), "--sd: expected BPB")):
        refused = harness("power", *wrong)
        assert refused.code == 2 and said in refused.err
    done = harness("power", "--sd", "0.0007", "--gain", "0.0075", "--json", "-")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["track"] == "10min_16mb" and len(found["gains"]) == 1
    assert "a record" in done.err or "accepted" in done.err
