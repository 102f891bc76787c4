"""Many folders, what people see of them, and the command's exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.audit import many
from harness.audit.many import Order, audit_records, find_records
from harness.audit.one import load_policy, read_folder
from tests.audit.records import OFFICIAL, SCORES, UPSTREAM, log, needs_upstream, write_record
from tests.factories.playground import ROOT, harness

STRICT = Order(OFFICIAL, (load_policy("strict"),))


def dated(root: Path, date: str, gain: float) -> Path:
    scores = {seed: round(bpb - gain, 7) for seed, bpb in SCORES.items()}
    mean = sum(scores.values()) / 3
    claims = {"val_bpb": round(mean, 8), "date": date}
    return write_record(root / f"rec_{date}", claims=claims, scores=scores)


def test_each_record_is_tested_against_the_best_before_its_date(tmp_path: Path) -> None:
    dated(tmp_path, "2026-06-01", 0.0)
    dated(tmp_path, "2026-06-03", 0.01)
    dated(tmp_path, "2026-06-02", -0.02)  # worse than what was there
    dated(tmp_path, "2026-06-04", 0.0101)
    found = [audits[0] for audits in audit_records(find_records([tmp_path]), STRICT)]
    assert [audit.date for audit in found] == [f"2026-06-0{day}" for day in (1, 2, 3, 4)]
    told = {audit.date: next(c for c in audit.checks if c.id == "significance") for audit in found}
    assert "rec_2026-06-01" in told["2026-06-02"].sentence
    assert told["2026-06-02"].status == "fail"
    assert "rec_2026-06-01" in told["2026-06-03"].sentence
    assert told["2026-06-03"].status == "pass"
    assert "rec_2026-06-03" in told["2026-06-04"].sentence
    assert told["2026-06-04"].status == "fail"


def test_workers_say_what_one_process_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(1, 6):
        dated(tmp_path, f"2026-06-0{day}", day / 100)
    alone = list(audit_records(find_records([tmp_path]), STRICT, workers=1))
    monkeypatch.setattr(many, "_WORTH_WORKERS", 2)
    monkeypatch.setattr(many, "_AT_ONCE", 2)
    assert list(audit_records(find_records([tmp_path]), STRICT, workers=2)) == alone


def test_a_folder_that_breaks_the_reader_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (1, 2):
        dated(tmp_path, f"2026-06-0{day}", day / 100)

    def breaking(folder: Path, track: object) -> object:
        if folder.name.endswith("01"):
            raise RuntimeError("a bug\x1b[31m of ours")
        return read_folder(folder, OFFICIAL)

    monkeypatch.setattr("harness.audit.many.read_folder", breaking)
    found = [audits[0] for audits in audit_records(find_records([tmp_path]), STRICT)]
    assert sorted(audit.status for audit in found) == ["pass", "unknown"] or len(found) == 2
    broken = next(audit for audit in found if audit.status == "unknown" and not audit.runs)
    assert "RuntimeError" in broken.checks[0].sentence


def test_records_are_found_below_a_directory(tmp_path: Path) -> None:
    one = dated(tmp_path / "track" / "records", "2026-06-01", 0.0)
    (tmp_path / "track" / "README.md").write_text("no record")
    (tmp_path / "link").symlink_to(one)
    assert find_records([tmp_path]) == [one]
    assert find_records([one]) == [one]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert find_records([empty]) == [empty]


def test_exit_codes(tmp_path: Path) -> None:
    honest = write_record(tmp_path / "honest")
    wrong = write_record(tmp_path / "wrong", claims={"val_bpb": 1.0})
    assert harness("audit", honest).code == 0
    assert harness("audit", wrong).code == 1
    assert harness("audit", honest, wrong).code == 1
    for arguments in (
        ("audit", tmp_path / "nowhere"),
        ("audit", honest, "--policy", "lenient"),
        ("audit", honest, "--against", "nothing"),
        ("audit", honest, "--workers", "0"),
        ("audit", honest, "--json", "-", "--format", "junit"),
        ("audit",),
    ):
        done = harness(*arguments)
        assert (done.code, "Traceback" in done.err) == (2, False)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    folder = write_record(tmp_path)
    code = (
        "import sys; from harness.cli.main import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "heavy = {'torch', 'scipy.stats', 'docker', 'sentencepiece'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr


def test_against_a_score_or_a_record(tmp_path: Path) -> None:
    folder = write_record(tmp_path / "new")
    before = dated(tmp_path, "2026-01-01", -0.02)
    assert harness("audit", folder, "--against", "1.2").code == 0
    assert harness("audit", folder, "--against", "1.0").code == 1
    done = harness("audit", folder, "--against", before, "--json", "-")
    (test,) = (c for c in json.loads(done.out)["checks"] if c["id"] == "welch")
    assert test["status"] == "pass" and "rec_2026-01-01" in test["sentence"]


def test_json_of_one_and_of_many(tmp_path: Path) -> None:
    one = write_record(tmp_path / "one")
    two = write_record(tmp_path / "two")
    found = json.loads(harness("audit", one, "--json", "-").out)
    assert {"folder", "runs", "claim", "checks"} <= found.keys()
    assert found["claim"]["kind"] == "mean"
    for key in [
        "log",
        "line",
        "seed",
        "metric",
        "val_bpb",
        "val_loss",
        "model_bytes",
        "code_bytes",
        "total_bytes",
        "train_seconds",
        "eval_seconds",
        "post_train_seconds",
        "steps",
        "tokens",
        "world_size",
        "gpu",
        "torch",
    ]:
        assert key in found["runs"][0]
    path = tmp_path / "many.json"
    done = harness("audit", one, two, "--json", path)
    assert done.code == 0 and "2 folders under strict" in done.out
    many = json.loads(path.read_text())
    assert [audit["name"] for audit in many] == ["one", "two"]


def test_policies_side_by_side(tmp_path: Path) -> None:
    folder = write_record(tmp_path, claims={"val_bpb": min(SCORES.values()), "date": "2026-05-20"})
    done = harness("audit", folder, "--compare", "--json", tmp_path / "all.json")
    assert done.code == 1
    (score,) = (line for line in done.out.splitlines() if line.split()[:1] == ["score"])
    assert score.split()[1:4] == ["FAIL", "FAIL", "PASS"]
    assert harness("audit", folder, "--policy", "practice,strict", "--compare").code == 0


HOSTILE = "::error::x\x1b[31m|<b>@all #1 ]]>&\u202e.log"


def test_every_format_escapes_what_strangers_wrote(tmp_path: Path) -> None:
    claims = {"val_bpb": 1.0, "seeds": [7]}
    folder = write_record(tmp_path, logs={HOSTILE: log(1.1), "a.log": log(1.2)}, claims=claims)
    table = harness("audit", folder).out
    assert "\x1b" not in table and "\u202e" not in table
    junit = harness("audit", folder, "--format", "junit").out
    suite = ElementTree.fromstring(junit)[0]
    assert suite.get("failures") != "0"
    github = harness("audit", folder, "--format", "github").out
    for line in github.splitlines():
        assert line.startswith(("::error ", "::warning ", "::notice::"))
        assert "\x1b" not in line
    markdown = harness("audit", folder, "--format", "markdown").out
    assert "<b>" not in markdown.replace("`", "") or "`" in markdown
    assert "\x1b" not in markdown and "\u202e" not in markdown


@needs_upstream
def test_the_records_of_upstream_in_one_go(tmp_path: Path) -> None:
    done = harness("audit", UPSTREAM, "--json", tmp_path / "all.json")
    assert done.code == 1
    audits = json.loads((tmp_path / "all.json").read_text())
    assert len(audits) == len(list(UPSTREAM.glob("*/TRUTH.json")))
    dates = [audit["date"] for audit in audits]
    assert dates == sorted(dates)
    tested = [c for a in audits for c in a["checks"] if c["id"] == "significance"]
    assert sum("not after the bar" in c["sentence"] for c in tested) == 1  # the first alone
