"""Running costs are read from logs, and compared as far as the texts are the same."""

import pytest

from harness.upstream.logs.running import RunningCost, beside, running_costs


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("  ttt_chunk [12/48] bpb=1.135012 time=41.2s", ("bpb", 0.25, 1.135012, 6)),
        ("12.345 ngram_eval:  50.0% loss:2.41", ("loss", 0.5, 2.41, 2)),
        ("ttp: b50/100 bl:2.2811 time:3", ("bl", 0.5, 2.2811, 4)),
        ("eval 100/400 val_loss: 2.5e0", ("val_loss", 0.25, 2.5, 0)),
    ],
)
def test_a_line_of_scoring(line: str, wanted: tuple[str, float, float, int]) -> None:
    assert list(running_costs([line])) == [RunningCost(*wanted)]


def test_a_line_may_name_several() -> None:
    costs = list(running_costs(["[3/4] running loss=2.5000 val_bpb=1.4000 lr=0.1"]))
    assert [(cost.name, cost.value) for cost in costs] == [("loss", 2.5), ("val_bpb", 1.4)]


@pytest.mark.parametrize(
    "line",
    [
        "step:10/20 val_loss:2.5",
        "10/20 train_loss: 2.5",
        "final_int8 val_loss:2.5 val_bpb:1.4",
        "seen 3/4 of the text",
        "1/1 loss=2",
        "2024/11/29 loss is fine",
        "loss: n/a 1/2",
        "",
    ],
)
def test_another_line(line: str) -> None:
    assert list(running_costs([line])) == []


def costs(*values: float, name: str = "loss") -> list[RunningCost]:
    return [
        RunningCost(name, (place + 1) / len(values), value, 4) for place, value in enumerate(values)
    ]


def test_costs_before_the_point_must_agree_and_later_ones_need_not() -> None:
    one, other = costs(2.5, 2.4, 2.3, 2.2), costs(2.5, 2.4, 2.9, 3.1)
    assert beside(one, other, until=0.5, tolerance=1e-3) == (2, 0, None)
    found = beside(one, other, until=0.75, tolerance=1e-3)
    assert (found.compared, found.apart, found.first) == (3, 1, (one[2], other[2]))


def test_rounding_and_noise_are_no_difference() -> None:
    one, other = costs(2.5, 2.4), costs(2.5009, 2.4010)
    assert beside(one, other, until=1, tolerance=1e-3).apart == 0
    assert beside(one, other, until=1, tolerance=1e-4).apart == 2


def test_what_says_something_else_ends_the_comparison() -> None:
    one, other = costs(2.5, 2.4, 2.3), costs(2.5, 2.0, 2.0)
    other[1] = other[1]._replace(name="bpb")
    assert beside(one, other, until=1, tolerance=1e-3) == (1, 0, None)
