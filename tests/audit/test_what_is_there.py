"""What a folder is taken to say: its own figures, settings and files, and what it leaves out."""

import json
from pathlib import Path

import pytest

from harness.audit.setting_names import setting_names
from tests.audit.records import (
    SCORES,
    SCRIPT,
    audited,
    checked,
    failing,
    log,
    loss_of,
    mean_of,
    write_record,
)

READS = 'import os\nLR = float(os.environ.get("MATRIX_LR", "0.04"))\nlayers = 9\n'


def logs_with(tail: str = "", **changes: str) -> dict[str, str]:
    return {
        f"train_seed{seed}.log": log(bpb, seed=seed, tail=tail, **changes)  # type: ignore[arg-type]
        for seed, bpb in SCORES.items()
    }


class TestFiguresOfOthers:
    @pytest.mark.parametrize("name", ["previous_best_bpb", "goal_bpb", "prev_record_bpb"])
    def test_the_record_to_beat_is_no_score_of_a_run(self, tmp_path: Path, name: str) -> None:
        logs = logs_with(f"{name}: 1.0414\n")
        write_record(tmp_path, logs=logs, claims={"val_bpb": 1.0414, "date": "2026-05-20"})
        found = checked(tmp_path, "score")
        assert found.status == "fail"
        assert found.measured == pytest.approx(mean_of())
        metrics = {run.metric for run in audited(tmp_path).runs}
        assert metrics == {"final_int8_zlib_roundtrip_exact"}

    def test_by_whatever_name_where_it_is_the_same_for_every_seed(self, tmp_path: Path) -> None:
        logs = logs_with("zephyr_bpb: 1.0414\n")
        write_record(tmp_path, logs=logs, claims={"val_bpb": 1.0414})
        assert checked(tmp_path, "score").status == "fail"

    def test_a_method_without_chance_has_one_score(self, tmp_path: Path) -> None:
        logs = {f"seed{s}.log": f"seed:{s}\nfinal val_bpb:1.0414\n" for s in (1, 2, 3)}
        audit = audited(write_record(tmp_path, logs=logs, claims={"val_bpb": 1.0414}))
        assert [run.val_bpb for run in audit.runs] == [1.0414] * 3

    def test_a_rounded_score_is_one(self, tmp_path: Path) -> None:
        scores = {1: 1.04811, 2: 1.04812, 3: 1.04813}
        logs = {
            f"seed{s}.log": f"seed:{s}\nfinal_exact val_bpb:{bpb:.5f}\nshort val_bpb:{bpb:.4f}\n"
            for s, bpb in scores.items()
        }
        audit = audited(write_record(tmp_path, logs=logs, claims={"val_bpb": 1.04812}))
        assert all(len(run.evaluations) == 2 for run in audit.runs)


HEAD = "| seed | {} | val_bpb |\n|---|---|---|\n"
ROWS = "| 42 | {} | 1.04812 |\n| 1337 | {} | 1.04793 |\n"


class TestReadme:
    @pytest.mark.parametrize(
        "heading",
        ["parent bpb", "previous_bpb", "PR1019 bpb", "upstream_val_bpb", "Zephyr bpb", "bpb gain"],
    )
    def test_a_column_of_others_is_compared_with_nothing(
        self, tmp_path: Path, heading: str
    ) -> None:
        readme = HEAD.format(heading) + ROWS.format("1.0614", "1.0618")
        found = checked(write_record(tmp_path, readme=readme), "readme")
        assert (found.status, found.detail) == ("pass", "2 figures agree with the logs")

    @pytest.mark.parametrize(
        "heading",
        ["final bpb", "bpb asked again", "quantized bpb", "dropout-free bpb", "compressed bpb"],
    )
    def test_an_own_column_is_compared(self, tmp_path: Path, heading: str) -> None:
        readme = HEAD.format(heading) + ROWS.format("1.04812", "1.04793")
        found = checked(write_record(tmp_path, readme=readme), "readme")
        assert found.detail == "4 figures agree with the logs"
        wrong = HEAD.format(heading) + ROWS.format("1.04812", "1.0300")
        assert checked(write_record(tmp_path, readme=wrong), "readme").status == "fail"

    def test_an_own_score_that_is_nowhere_fails_beside_one_that_is(self, tmp_path: Path) -> None:
        readme = "| seed | val_bpb | final bpb |\n|---|---|---|\n| 42 | 1.0300 | 1.04812 |\n"
        assert checked(write_record(tmp_path, readme=readme), "readme").status == "fail"

    def test_rows_and_tables_of_others(self, tmp_path: Path) -> None:
        readme = (
            "# R\n| run | seed | val_bpb |\n|---|---|---|\n| parent | 42 | 1.0614 |\n"
            "| ours | 42 | 1.04812 |\n\n## The previous record\n\n"
            "| seed | val_bpb |\n|---|---|\n| 42 | 1.0614 |\n"
        )
        found = checked(write_record(tmp_path, readme=readme), "readme")
        assert (found.status, found.detail) == ("pass", "1 figures agree with the logs")

    @pytest.mark.parametrize("key", ["previous_val_bpb", "goal val_bpb", "parent's val_bpb"])
    def test_the_score_of_others_is_not_its_own(self, tmp_path: Path, key: str) -> None:
        write_record(tmp_path, readme=f"# R\n{key}: 1.0614\n", claims={"name": "R"})
        assert audited(tmp_path).claim.val_bpb is None
        write_record(tmp_path, readme="# Record: val_bpb: 1.0482 (3-seed mean)\n", claims={"n": 1})
        assert audited(tmp_path).claim.val_bpb == 1.0482


class TestSettings:
    def settings(self, tmp_path: Path, *each: str, script: str = SCRIPT) -> str:
        logs = {
            f"train_seed{seed}.log": log(bpb, seed=seed, settings=setting, code_bytes=len(script))
            for (seed, bpb), setting in zip(SCORES.items(), each, strict=True)
        }
        return checked(write_record(tmp_path, logs=logs, script=script), "configuration").status

    def test_what_the_script_reads_is_a_setting(self, tmp_path: Path) -> None:
        pairs = ("matrix_lr:1", "matrix_lr:2", "matrix_lr:3")
        assert self.settings(tmp_path / "a", *pairs, script=READS) == "fail"
        assert self.settings(tmp_path / "b", *pairs) == "unknown"

    def test_what_it_counts_is_none(self, tmp_path: Path) -> None:
        pairs = [f"matrix_lr:0.04 cache_hits:{n} misses:{n % 2}" for n in (9831, 9841, 9852)]
        assert self.settings(tmp_path, *pairs, script=READS) == "pass"
        counting = READS + "cache_hits = 0\nfor _ in range(9):\n    cache_hits += 1\n"
        assert self.settings(tmp_path, *pairs, script=counting) == "pass"

    def test_a_figure_that_two_runs_share_was_not_measured(self, tmp_path: Path) -> None:
        assert self.settings(tmp_path, "wd:0.01", "wd:0.01", "wd:0.02") == "fail"

    def test_names_in_every_form(self) -> None:
        source = (
            "import argparse, os\n"
            'a1 = int(os.environ.get("A_ONE", 1))\n'
            'os.environ["A_TWO"]\n'
            'os.getenv("A_THREE")\n'
            "class H:\n    a_four: float = 0.5\n    a_five = 2 * 8\n"
            'p.add_argument("--a-six", type=int)\n'
            "def f(x, a_seven=3, *, a_eight=4): ...\n"
            "dict(a_nine=1)\n"
            'config = {"a_ten": 1, "counted": 0}\n'
            'config["counted"] += 1\n'
            "hits = 0\nhits += 1\n"
            "size = len(hits)\nsize = 0\n"
            "for step in range(3): ...\n"
            "class E:\n    a_eleven = _e('A_ELEVEN', 3)\n"
            "def g(h):\n    a_one = h.a_four * 2\n    a1 = a_one\n"
            "n_params = sum(p for p in x)\n"
        )
        words = "one two three four five six seven eight nine ten eleven".split()  # noqa: SIM905
        names = setting_names([source.encode()])
        assert names == {*(f"a_{word}" for word in words), "a1"}
        assert setting_names([b"no python at all ("]) == frozenset()


class TestLeftOut:
    def test_a_run_that_ended_in_nan_is_named(self, tmp_path: Path) -> None:
        lost = "seed:61\nstep:7000/7000 train_loss:1.9 train_time:599000ms\nfinal val_bpb:nan\n"
        audit = audited(write_record(tmp_path, files={"train_seed61.log": lost}))
        found = next(each for each in audit.checks if each.id == "runs")
        assert (found.status, found.file, found.line) == ("unknown", "train_seed61.log", 3)
        named = "ended without a finite score: train_seed61.log (seed 61)"
        assert named in found.detail
        assert audit.claim.sentence.endswith(f"of 4 runs 1 {named}")

    @pytest.mark.parametrize("value", ["1.08 BPB", "n/a", "about 1.08", 99.0, -1.0])
    def test_an_unreadable_number_is_not_a_missing_one(
        self, tmp_path: Path, value: str | float
    ) -> None:
        write_record(tmp_path, claims={"val_bpb": value, "bytes_total": "15.9 MB"})
        found = checked(tmp_path, "score")
        assert found.status == "unknown"
        assert f"val_bpb is {json.dumps(value)}" in found.detail
        assert "no number that can be read" in found.detail
        write_record(tmp_path, claims={"name": "R", "val_bpb": None})
        assert "claims no score" in checked(tmp_path, "score").detail
        write_record(tmp_path, claims='{"val_bpb": NaN}')
        assert "cannot be read" in checked(tmp_path, "score").detail


class TestThereByNameAlone:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"script": ""}, "train_gpt.py is empty"),
            ({"script": "# only a comment\n\n"}, "train_gpt.py holds no statement"),
            ({"script": '"""Only a docstring."""\n'}, "train_gpt.py holds no statement"),
            ({"readme": ""}, "README.md is empty"),
            ({"readme": " \n\n"}, "README.md holds no text"),
            ({"claims": "{}"}, "submission.json claims nothing"),
            ({"claims": ""}, "submission.json is empty"),
            ({"files": {"train_seed7.log": ""}}, "train_seed7.log is empty"),
            ({"files": {"train_seed7.log": "\n \n"}}, "train_seed7.log holds no text"),
        ],
    )
    def test_is_not_there(self, tmp_path: Path, changes: dict[str, object], said: str) -> None:
        found = checked(write_record(tmp_path, **changes), "files")  # type: ignore[arg-type]
        assert found.status == "fail"
        assert said in found.detail
        assert audited(tmp_path).readings.files == "incomplete"

    def test_an_empty_script_compiles_weighs_and_needs_nothing(self, tmp_path: Path) -> None:
        write_record(tmp_path, script="", logs=logs_with(code_bytes=0))  # type: ignore[arg-type]
        for name in ("syntax", "size_shipped", "size_needed"):
            assert checked(tmp_path, name).status == "unknown", name

    def test_nothing_went_wrong_where_a_log_of_errors_is_empty(self, tmp_path: Path) -> None:
        assert (
            failing(audited(write_record(tmp_path, files={"train.err": "", "x.out": ""}))) == set()
        )


OLDER_TOKENS, OLDER_BYTES = 63_779_840, 155_769_746


@pytest.mark.parametrize(
    ("date", "status"), [("2026-03-18", "unknown"), ("2026-03-17T10:00:00Z", "unknown"),
                         ("2026-03-19", "fail"), (None, "fail")]
)  # fmt: skip
def test_the_older_edition_of_the_text_is_told_by_name(
    tmp_path: Path, date: str | None, status: str
) -> None:
    factor = OLDER_BYTES / 151_080_891
    logs = {
        f"train_seed{seed}.log": log(
            bpb, seed=seed, tokens=OLDER_TOKENS, loss=loss_of(bpb, OLDER_TOKENS) * factor
        )
        for seed, bpb in SCORES.items()
    }
    claims = {"val_bpb": round(mean_of(), 8)} | ({"date": date} if date else {})
    found = checked(write_record(tmp_path, logs=logs, claims=claims), "denominator")
    assert found.status == status
    assert "as the older edition of the text has" in found.detail
    assert "wrong" not in found.detail
