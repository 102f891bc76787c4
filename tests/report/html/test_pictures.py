"""Pictures: drawn as text, the same each time, and with everything that they show in words."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from harness.report.blocks import Figures, Picture, Plot
from harness.report.exhibits.model import Tensor, Weights
from harness.report.html import drawing
from harness.report.html.blocks import draw
from harness.report.html.drawing import draw_svg
from harness.report.html.pictures import as_csv
from harness.report.pictures.limits import headroom
from harness.report.pictures.plots import named
from harness.report.pictures.scores import seed_points
from harness.report.pictures.text import along_stream
from harness.report.pictures.weights import bytes_by_tensor, quantization_error
from harness.report.sections import parts
from harness.report.shown import Shown
from tests.factories import verdicts as samples
from tests.factories.exhibits import exhibits
from tests.report.html.test_page import HOSTILE


def pictures_of(sample: str) -> Iterator[Picture]:
    for part in parts(Shown(samples.SAMPLES[sample](), exhibits()), "html"):
        yield from part.pictures


def simple(text: str = "a", **more: Any) -> Plot:
    return {
        "data": {"values": [{"x": 1, "y": 2, "kind": text}, {"x": 2, "y": 3, "kind": text}]},
        "mark": {"type": "line", "clip": True},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": text},
            "y": {"field": "y", "type": "quantitative"},
            "color": {"field": "kind", "type": "nominal"},
        },
        **more,
    }


def test_a_drawing_is_the_same_each_time_and_its_names_are_its_own() -> None:
    first = draw_svg(simple(), name="one", alternative="A line.")
    assert draw_svg(simple(), name="one", alternative="A line.") == first
    assert set(re.findall(r'id="([^"]+)"', first)) == {"one-clip-1"}
    other = draw_svg(simple(), name="two", alternative="A line.")
    assert set(re.findall(r'id="([^"]+)"', other)) == {"two-clip-1"}


def test_a_drawing_has_its_alternative_keeps_text_as_text_and_fits_any_width() -> None:
    root = ET.fromstring(draw_svg(simple("word"), name="one", alternative='A "line" & more.'))
    assert root.attrib.keys() >= {"viewBox", "role", "aria-label"}
    assert not {"width", "height"} & root.attrib.keys()
    assert root.get("aria-label") == 'A "line" & more.'
    assert "word" in {each.text for each in root.iter("text")}


def test_colors_are_those_of_the_stylesheet() -> None:
    drawn = draw_svg(simple(), name="one", alternative="A line.")
    colors = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn))
    assert all(each.startswith("var(--") for each in colors - {"none", "transparent"}), colors


@pytest.mark.parametrize("text", [*HOSTILE, "$x^2$", "datum.x", "\u0645\u0631\u062d\u0628\u0627"])
def test_hostile_text_stays_text(text: str) -> None:
    drawn = draw_svg(simple(text), name="one", alternative=text)
    usual = draw_svg(simple("x" * len(text)), name="one", alternative="x")
    root = ET.fromstring(drawn)
    assert {each.tag for each in root.iter()} == {each.tag for each in ET.fromstring(usual).iter()}
    assert root.get("aria-label") == text
    assert any((each.text or "").startswith(text[:8]) for each in root.iter("text"))


@pytest.mark.parametrize(
    "content",
    [
        "<script>1</script>",
        '<image href="x"/>',
        '<a href="https://example.org"/>',
        "<foreignObject/>",
        '<g clip-path="url(https://example.org)"><path d="M0,0"/></g>',
        '<rect fill="url(#x)"/>',
        "<style>*{}</style>",
    ],
)
def test_a_drawing_with_anything_else_is_refused(
    content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vl_convert

    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">{content}</svg>'
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", lambda *given, **named: svg)
    with pytest.raises(ValueError, match="a drawing"):
        draw_svg(simple(), name="one", alternative="")


def test_attributes_that_are_not_known_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    import vl_convert

    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" onload="x()">'
        '<path d="M0,0" onclick="x()" style="fill:red" class="c" fill="var(--ink)"/></svg>'
    )
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", lambda *given, **named: svg)
    root = ET.fromstring(draw_svg(simple(), name="one", alternative=""))
    assert set(root.attrib) == {"viewBox", "class", "role", "aria-label"}
    assert root[0].attrib == {"d": "M0,0", "fill": "var(--ink)"}


def test_nothing_is_fetched_to_be_drawn() -> None:
    plot = {**simple(), "data": {"url": "https://example.org/data.csv"}}
    with pytest.raises(ValueError, match=r"(?i)access|denied|allowed|url"):
        draw_svg(plot, name="one", alternative="")


EVERY = {
    *("seeds", "distribution", "stream", "documents", "headroom", "changes", "weights"),
    *("training_loss", "step_time", "course", "train_budget", "score_budget"),
    *("quantization_error", "clocks", "power", "temperature"),
}


@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_every_picture_says_what_it_shows(sample: str) -> None:
    for picture in pictures_of(sample):
        for said in (picture.sentence, picture.alternative):
            assert said.endswith("."), said
            assert len(said.split()) > 3
        assert picture.figures.rows
        assert {len(row) for row in picture.figures.rows} == {len(picture.figures.columns)}
        drawn = draw(picture, drawn=False)
        for piece in ("<figcaption>", "<details", "<summary>", f'download="{picture.id}.csv"'):
            assert piece in drawn


def test_every_picture_can_be_drawn() -> None:
    found = {each.id: each for name in samples.SAMPLES for each in pictures_of(name)}
    assert set(found) == EVERY
    for name, picture in found.items():
        root = ET.fromstring(draw_svg(picture.plot, name=name, alternative=picture.alternative))
        _, _, width, height = map(float, (root.get("viewBox") or "").split())
        assert width <= drawing.WIDTH + 40
        assert 60 < height < 1_000
        assert len(list(root.iter("text"))) > 2
        assert any(root.iter(tag) for tag in ("path", "rect", "line"))


@pytest.mark.parametrize(
    ("field", "value", "gone"),
    [
        ("training", (), {"training_loss", "step_time"}),
        ("stretches", (), {"course", "train_budget", "score_budget"}),
        ("telemetry", (), {"clocks", "power", "temperature"}),
    ],
)
def test_what_was_not_kept_has_no_picture(field: str, value: object, gone: set[str]) -> None:
    shown = Shown(samples.complete(), exhibits(**{field: value}))
    found = {picture.id for part in parts(shown, "html") for picture in part.pictures}
    assert found == EVERY - gone


def test_weights_are_drawn_from_the_best_that_is_known_of_them() -> None:
    whole, verdict = exhibits(), samples.complete()
    alone = whole.model_copy(update={"inspected": None})
    nothing = exhibits(weights=None).model_copy(update={"inspected": None})
    drawn = {
        name: bytes_by_tensor(Shown(verdict, each))
        for name, each in (("inspected", whole), ("read", alone), ("unknown", nothing))
    }
    assert drawn["inspected"] is not None
    assert drawn["inspected"].figures.rows[0] == ("a.weight", "int6", 9_000)
    assert drawn["read"] is not None
    assert drawn["read"].figures.rows[-1] == ("3 smaller ones", "others", 4_096)
    assert drawn["unknown"] is None
    assert quantization_error(Shown(verdict, alone)) is None


def test_types_have_their_usual_names_and_areas_the_telling_part_of_theirs() -> None:
    names = {"blocks.0.attn.query.weight": "0.attn.query", "embedding.weight": "embedding"}
    tensors = tuple(Tensor(name=name, kind="<f4", stored_bytes=9) for name in names)
    weights = Weights(format="npz", compressed=False, tensors=tensors)
    found = exhibits().model_copy(update={"inspected": weights})
    picture = bytes_by_tensor(Shown(samples.verdict(), found))
    assert picture is not None
    assert {row[0]: row[1] for row in picture.figures.rows} == dict.fromkeys(names, "float32")
    leaves = [each for each in picture.plot["data"][0]["values"] if each["parent"]]
    assert {each["tensor"]: each["label"] for each in leaves} == names


def test_a_picture_of_one_kind_needs_no_legend() -> None:
    for kinds, there in ((["pass"], False), (["pass", "fail"], True)):
        assert (named(kinds, ["red", "blue"][: len(kinds)])["legend"] is not None) == there


def test_lines_of_the_seeds_are_told_apart_by_dash_and_a_point_needs_no_legend() -> None:
    picture = seed_points(Shown(samples.complete()))
    assert picture is not None
    lines, points = picture.plot["layer"][-2:]
    assert points["encoding"]["color"]["legend"] is None
    dashes = lines["encoding"]["strokeDash"]["scale"]
    assert dashes["domain"] == ["bar", "threshold", "mean"]
    assert len({tuple(each) for each in dashes["range"]}) == len(dashes["domain"])


def test_a_stretch_of_the_stream_is_drawn_from_where_it_begins_to_where_it_ends() -> None:
    shown = Shown(samples.complete())
    facts, picture = shown.verdict.memorisation, along_stream(shown)
    assert facts is not None
    assert picture is not None
    drawn = [row["mb"] for row in picture.plot["data"]["values"]]
    assert drawn[0] == 0
    assert drawn[-1] == pytest.approx(sum(part.bytes for part in facts.parts) / 1e6)
    assert len(picture.figures.rows) == len(facts.parts) == len(drawn) - 1


def test_bars_are_said_to_be_cut_only_where_one_is() -> None:
    for sample, cut in ((samples.complete(), False), (samples.rejected(), True)):
        checks = tuple(
            check.model_copy(update={"measured": 1_600.0})
            if cut and check.id == "train_wallclock"
            else check
            for check in sample.checks
        )
        picture = headroom(Shown(sample.model_copy(update={"checks": checks})))
        assert picture is not None
        assert ("Bars are cut" in picture.sentence) == cut


def test_what_a_log_or_an_artifact_says_is_marked_as_a_claim() -> None:
    claims = {picture.id for picture in pictures_of("complete") if picture.claim}
    assert claims == {"training_loss", "step_time", "weights", "quantization_error"}


def test_figures_are_kept_exactly_and_no_cell_is_a_formula() -> None:
    figures = Figures(
        ("name", "BPB"), (("=SUM(A1)", 0.1 + 0.2), ("a, b", None), ("@x", -1), ("-x\n", 2))
    )
    rows = list(csv.reader(io.StringIO(as_csv(figures))))
    assert rows == [
        ["name", "BPB"],
        ["'=SUM(A1)", "0.30000000000000004"],
        ["a, b", ""],
        ["'@x", "-1"],
        ["'-x", "2"],
    ]


def test_a_long_table_says_that_the_file_has_more() -> None:
    figures = Figures(("n",), tuple((number,) for number in range(1_000)))
    drawn = draw(Picture("p", "Title", "A sentence.", "An alternative.", figures, simple()))
    assert "of 1000 rows" in drawn
    assert drawn.count("<tr>") < 100
    assert "999" in drawn
