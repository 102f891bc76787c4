"""Whoever complains of a submission says file, line and field as data; nobody reads them out."""

from pathlib import Path

import pytest

from harness.contest.loading import load_submission
from harness.contest.track import load_track
from harness.errors import MOST_PROBLEMS, SubmissionError, UsageError
from harness.gate.precheck import precheck
from harness.models import Finding
from tests.contest.test_submission import CODE, TOML
from tests.factories.playground import write_track

LINES = TOML.splitlines()
FILES, COMMAND = 'files = ["train.py"]', 'command = ["python", "train.py"]'
LOAD = 'load = "train:load_model"'


def line_of(text: str) -> int:
    return LINES.index(text) + 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "toy"
    path.mkdir()
    (path / "submission.toml").write_text(TOML)
    (path / "train.py").write_text(CODE)
    (path / "README.md").write_text("A toy.")
    (path / "submission.json").write_text('{\n  "val_bpb": 1.2,\n  "bytes_total": 1000\n}\n')
    return path


def refused(folder: Path) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        load_submission(folder)
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "field", "at"),
    [
        ('name = "Toy"', "name = Toy", None, 'name = "Toy"'),
        ('name = "Toy"', 'name = ""', "submission.name", 'name = "Toy"'),
        ('author = "A. Author"', "", "submission.author", "[submission]"),
        ("stride = 16", "strides = 16\nstride = 16", "score.strides", "stride = 16"),
        ('files = ["train.py"]', 'files = ["train.py", 1]', "code.files.1", 'files = ["train.py"]'),
        ('env = { WIDTH = "8" }', 'env = { SEED = "8" }', "train.env", 'env = { WIDTH = "8" }'),
        ("stride = 16", "stride = 65", "score", "[score]"),
        ("stride = 64", "stride = 640", "tracks.smoke.score", "[tracks.smoke.score]"),
        ('DEPTH = "2"', "DEPTH = 2", "tracks.smoke.train.env.DEPTH", 'DEPTH = "2"'),
        ("train:load_model", "train:load", "score.load", LOAD),
        ("train:load_model", "other:load", "score.load", LOAD),
        (
            '["python", "train.py"]',
            '["python", "x.py"]',
            "train.command",
            'command = ["python", "train.py"]',
        ),
    ],
)
def test_a_breach_of_the_manifest_has_its_line_and_field(
    folder: Path, old: str, new: str, field: str | None, at: str
) -> None:
    (folder / "submission.toml").write_text(TOML.replace(old, new, 1))
    error = refused(folder)
    (found,) = error.findings
    assert (found.id, found.status) == ("contract", "fail")
    assert (found.file, found.line, found.field) == ("submission.toml", line_of(at), field)
    assert str(folder) not in found.detail
    shown = f"{folder.resolve()}/submission.toml:{line_of(at)}: "
    assert str(error).startswith(shown + (f"{field}: " if field else ""))
    assert str(error).endswith(found.detail)
    assert error.finding == found


def test_several_problems_are_several_findings_and_one_text(folder: Path) -> None:
    text = TOML.replace("stride = 16", "stride = 0").replace('github_id = "author"', 'id = "a"')
    (folder / "submission.toml").write_text(text)
    error = refused(folder)
    assert [(found.field, found.line) for found in error.findings] == [
        ("submission.github_id", line_of("[submission]")),
        ("submission.id", line_of('github_id = "author"')),
        ("score.stride", line_of("stride = 16")),
    ]
    told = "; ".join(f"{found.field}: {found.detail}" for found in error.findings)
    assert str(error) == f"{folder.resolve()}/submission.toml: {told}"
    assert error.finding.detail == told and error.finding.line is None


def test_what_is_wrong_without_end_is_counted(folder: Path) -> None:
    keys = "".join(f"key{number} = 1\n" for number in range(2000))
    (folder / "submission.toml").write_text(TOML.replace("[score]\n", f"[score]\n{keys}", 1))
    error = refused(folder)
    assert len(error.findings) == MOST_PROBLEMS + 1
    assert error.findings[0].line == line_of("[score]") + 1
    assert error.findings[-1].detail == f"and {2000 - MOST_PROBLEMS:,} more"
    assert str(error).endswith(f"; and {2000 - MOST_PROBLEMS:,} more")


@pytest.mark.parametrize(
    ("content", "line", "field"),
    [
        ('{\n  "val_bpb": 1.2,\n', 3, None),
        ("[]", None, None),
        ('{\n  "bytes_total": 1,\n  "val_bpb": "1"\n}', 3, "val_bpb"),
    ],
)
def test_a_malformed_claim_has_its_line_and_field(
    folder: Path, content: str, line: int | None, field: str | None
) -> None:
    (folder / "submission.json").write_text(content)
    (found,) = refused(folder).findings
    assert (found.file, found.line, found.field) == ("submission.json", line, field)


def test_a_file_is_named_as_the_manifest_names_it(folder: Path) -> None:
    (folder / "train.py").write_text("import os\ndef load_model(:\n")
    (found,) = refused(folder).findings
    assert (found.file, found.line) == ("train.py", 2)
    (folder / "train.py").unlink()
    (found,) = refused(folder).findings
    assert (found.file, found.line) == ("train.py", None)
    assert found.detail.startswith("no such file")
    (folder / "submission.toml").unlink()
    assert refused(folder).finding.file == "submission.toml"
    missing = refused(folder / "gone")
    assert missing.finding.file is None and str(missing).startswith(f"{folder / 'gone'}: ")


def test_what_a_track_refuses_has_the_line_that_set_it(folder: Path, tmp_path: Path) -> None:
    track = load_track(str(write_track(tmp_path / "track.toml", longest_sequence="32")))
    with pytest.raises(SubmissionError) as caught:
        precheck(load_submission(folder), track)
    found = caught.value.finding
    assert (found.line, found.field) == (line_of("sequence_length = 64"), "score.sequence_length")
    text = TOML.replace("[tracks.smoke.score]", "[tracks.smoke.score]\nsequence_length = 64")
    (folder / "submission.toml").write_text(text)
    with pytest.raises(SubmissionError) as caught:
        precheck(load_submission(folder), track)
    assert caught.value.finding.line == line_of("[tracks.smoke.score]") + 1


def test_each_finding_of_the_check_has_an_id_and_a_place(folder: Path) -> None:
    (folder / "train.py").write_text("import helper, flash_attn\n" + CODE)
    (folder / "helper.py").write_text("")
    (folder / "README.md").unlink()
    (folder / "submission.json").write_text('{\n  "bytes_total": 17000000\n}\n')
    found = precheck(load_submission(folder), load_track("smoke"))
    assert [(each.id, each.status, each.place, each.field) for each in found] == [
        ("contract", "pass", "submission.toml", None),
        ("code_bytes", "pass", f"submission.toml:{line_of(FILES)}", "code.files"),
        ("brought_along", "pass", f"submission.toml:{line_of(FILES)}", "code.files"),
        ("score", "pass", f"submission.toml:{line_of(LOAD)}", "score.load"),
        ("train", "pass", f"submission.toml:{line_of(COMMAND)}", "train.command"),
        ("seed", "pass", f"submission.toml:{line_of(COMMAND)}", None),
        ("claimed_bytes", "fail", "submission.json:2", "bytes_total"),
        ("missing_file", "unknown", "README.md", None),
        ("unknown_import", "fail", "train.py:1", None),
        ("unknown_import", "fail", "train.py:1", None),
    ]
    claimed = next(each for each in found if each.id == "claimed_bytes")
    assert (claimed.measured, claimed.limit, claimed.unit) == (17_000_000, 16_000_000, "bytes")


def test_a_track_that_makes_no_sense_has_lines_too(tmp_path: Path) -> None:
    path = write_track(tmp_path / "track.toml")
    text = path.read_text().replace("bytes = 16_000_000", "bytes = 1.5", 1)
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_track(str(path))
    (found,) = caught.value.findings
    assert (found.id, found.file, found.field) == ("usage", str(path), "budget.bytes")
    assert found.line is not None and text.splitlines()[found.line - 1].startswith("bytes = 1.5")


def test_a_name_that_no_json_holds_is_still_a_finding() -> None:
    error = UsageError("gone", file="a\udcff", remedy="rename it")
    assert error.finding == Finding(
        id="usage", status="fail", detail="gone", file="a?", remedy="rename it"
    )
    assert str(error) == "a\udcff: gone\n  remedy: rename it"
