"""The contract: what a submission folder must be, and how each breach is answered."""

import ast
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.brought_along import brought_along
from harness.contest.loading import load_submission
from harness.contest.submission import MANIFEST, check_on_track
from harness.contest.track import load_track
from harness.errors import SubmissionError
from harness.gate.precheck import precheck, warnings
from harness.source_code.imports import LARGEST_PARSED_BYTES

TOML = """\
[submission]
name = "Toy"
author = "A. Author"
github_id = "author"

[code]
files = ["train.py"]

[train]
command = ["python", "train.py"]
artifact = "model.bin"
env = { WIDTH = "8" }

[score]
load = "train:load_model"
sequence_length = 64
stride = 16

[tracks.smoke.train.env]
DEPTH = "2"

[tracks.smoke.score]
stride = 64
"""
CODE = (
    "import os\nSEED = os.environ.get('SEED')\ndef load_model(artifact, device):\n    return None\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "toy"
    path.mkdir()
    (path / "submission.toml").write_text(TOML)
    (path / "train.py").write_text(CODE)
    (path / "README.md").write_text("A toy.")
    (path / "submission.json").write_text('{"val_bpb": 1.2, "bytes_total": 1000}')
    return path


def change(folder: Path, old: str, new: str) -> None:
    assert old in TOML
    (folder / "submission.toml").write_text(TOML.replace(old, new, 1))


def complaint(folder: Path) -> str:
    with pytest.raises(SubmissionError) as caught:
        load_submission(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def told(folder: Path) -> str:
    found = warnings(load_submission(folder))
    return "\n".join(f"{finding.place}: {finding.detail}" for finding in found)


def test_a_good_folder_loads_and_is_weighed(folder: Path) -> None:
    submission = load_submission(folder)
    assert submission.code_bytes == len(TOML) + len(CODE)
    assert submission.claim.val_bpb == 1.2
    assert warnings(submission) == []
    assert {file.name for file in submission.entry("smoke").files} == {
        "train.py",
        "submission.toml",
    }


def test_tracks_override_what_they_name_and_nothing_else(folder: Path) -> None:
    manifest = load_submission(folder).manifest
    train, score = manifest.on("smoke")
    assert train.env == {"WIDTH": "8", "DEPTH": "2"}
    assert train.command == ("python", "train.py")
    assert (score.sequence_length, score.stride) == (64, 64)
    assert manifest.on("10min_16mb")[1].stride == 16


def test_digest_binds_names_and_contents_of_counted_files_only(folder: Path) -> None:
    before = load_submission(folder).digest
    (folder / "README.md").write_text("changed")
    assert load_submission(folder).digest == before
    (folder / "train.py").write_text(CODE + "#")
    assert load_submission(folder).digest != before


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "Toy"', "name = Toy", "not valid TOML"),
        ('name = "Toy"', "name = " + "1" * 5000, "not valid TOML"),
        ('name = "Toy"', "name = " + "[" * 9999, "not valid TOML"),
        ("DEPTH", "a." * 99 + "DEPTH", "levels deep"),
        ("DEPTH", "a." * 99_999 + "DEPTH", "32,768 are read"),
        ('name = "Toy"', 'name = ""', "submission.name"),
        ('author = "A. Author"', "", "submission.author: missing"),
        ('github_id = "author"', 'github = "author"', "submission.github: unknown key"),
        ('files = ["train.py"]', "files = []", "code.files"),
        ('files = ["train.py"]', 'files = ["train.py", "train.py"]', "listed twice"),
        ('files = ["train.py"]', 'files = ["train.py", "gone.py"]', "gone.py: no such file"),
        ('files = ["train.py"]', 'files = ["../train.py"]', "plain relative path"),
        ('files = ["train.py"]', 'files = ["/etc/passwd"]', "plain relative path"),
        ('files = ["train.py"]', 'files = ["a\\nb"]', "plain relative path"),
        ('files = ["train.py"]', 'files = "train.py"', "code.files"),
        ('artifact = "model.bin"', 'artifact = "../model.bin"', "train.artifact: expected a plain"),
        ('artifact = "model.bin"', 'artifact = "out/m.bin"', 'such as "model.bin"; it is looked'),
        ('artifact = "model.bin"', 'artifact = ".hidden"', "train.artifact"),
        ('command = ["python", "train.py"]', "command = []", "train.command: expected a list of"),
        ('["python", "train.py"]', '"python train.py"', 'such as ["python", "train.py"] (found'),
        ('command = ["python", "train.py"]', 'command = ["python", "x.py"]', "'x.py'"),
        ('WIDTH = "8"', 'SEED = "8"', "SEED is set by the harness"),
        ('WIDTH = "8"', '"A=B" = "8"', "environment variable"),
        ('load = "train:load_model"', 'load = "train"', "score.load: expected module:function"),
        ('load = "train:load_model"', 'load = "train.load_model"', 'such as "train_gpt:load_mod'),
        ('load = "train:load_model"', 'load = "other:load_model"', "does not list"),
        ('load = "train:load_model"', 'load = "train:load"', "defines no 'load'"),
        ("stride = 16", "stride = 65", "larger than sequence_length"),
        ("stride = 16", "stride = 0", "score.stride"),
        ("sequence_length = 64", 'sequence_length = "64"', "score.sequence_length"),
        ("stride = 64", "stride = 640", "larger than sequence_length"),
    ],
)
def test_a_breach_names_file_field_and_expectation(
    folder: Path, old: str, new: str, expected: str
) -> None:
    change(folder, old, new)
    assert expected in complaint(folder)


def test_a_copy_of_a_track_loses_settings_and_says_so(folder: Path) -> None:
    """Or it says whose settings it takes; what it says is part of the track's digest."""
    smoke = load_track("smoke")
    copy = smoke.model_copy(update={"name": "mine"})
    kept = copy.model_copy(update={"settings_of": "smoke"})
    submission = load_submission(folder)
    assert submission.lost_settings(smoke) == submission.lost_settings(kept) == ""
    assert submission.lost_settings(load_track("10min_16mb")) == ""  # the full size is meant
    said = submission.lost_settings(copy)
    assert said.startswith(
        "submission has settings for track smoke, none for mine: the full size runs; "
        'settings_of = "smoke" in the track'
    )
    assert submission.entry(kept.settings) == submission.entry("smoke")
    assert submission.entry(copy.settings).score != submission.entry("smoke").score
    assert len({smoke.digest, copy.digest, kept.digest}) == 3
    (warning,) = [finding for finding in precheck(submission, copy) if finding.id == "settings"]
    assert (warning.status, warning.detail) == ("unknown", said)
    assert "settings" not in {finding.id for finding in precheck(submission, kept)}


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert "no such folder" in complaint(tmp_path / "gone")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    assert "train.py: a file and no folder; expected a submission" in complaint(
        tmp_path / "train.py"
    )


def test_of_a_folder_each_file_is_listed(folder: Path) -> None:
    (folder / "lib").mkdir()
    for name in ("data.txt", "init.py"):
        (folder / "lib" / name).touch()
    change(folder, 'files = ["train.py"]', 'files = ["train.py", "lib"]')
    found = complaint(folder)
    assert "lib: a folder (named in submission.toml); list each of its files" in found
    assert found.endswith('such as "lib/init.py"')


def test_a_mark_of_utf8_before_the_manifest_is_no_error(folder: Path) -> None:
    """What editors on Windows save; the mark is counted like any other byte."""
    manifest = folder / "submission.toml"
    before = load_submission(folder)
    manifest.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes().replace(b"\n", b"\r\n"))
    after = load_submission(folder)
    assert after.manifest == before.manifest
    assert after.code_bytes == before.code_bytes + 3 + before.contents[MANIFEST].count(b"\n")
    manifest.write_bytes(manifest.read_text(encoding="utf-8-sig").encode("utf-16"))
    assert "submission.toml:1: begins with the byte order mark of UTF-16" in complaint(folder)


def test_a_folder_without_manifest(tmp_path: Path) -> None:
    assert "submission.toml: no such file" in complaint(tmp_path)


@pytest.mark.parametrize("kind", ["symlink", "outside", "directory", "fifo", "linked parent"])
def test_counted_files_are_regular_files_inside_the_folder(folder: Path, kind: str) -> None:
    target = folder / "train.py"
    target.unlink()
    if kind == "symlink":
        (folder / "real.py").write_text(CODE)
        target.symlink_to("real.py")
    elif kind == "outside":
        target.symlink_to("/etc/passwd")
    elif kind == "directory":
        target.mkdir()
    elif kind == "fifo":
        os.mkfifo(target)
    else:
        (folder / "real").mkdir()
        (folder / "real/train.py").write_text(CODE)
        (folder / "linked").symlink_to("real")
        change(folder, 'files = ["train.py"]', 'files = ["linked/train.py"]')
    assert "train.py" in complaint(folder)


def test_code_that_python_warns_of_is_not_printed(
    folder: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """Python's own warning would print the line, terminal codes and all."""
    with (folder / "train.py").open("a") as file:
        file.write("\nodd = '\\d\x1b[2J' if 1is 1 else 0\n")
    load_submission(folder)
    assert not recwarn.list


@pytest.mark.parametrize("code", ["def load_model(:\n", "\0", "\xff\xfe"])
def test_code_that_is_not_python_is_named(folder: Path, code: str) -> None:
    (folder / "train.py").write_text(code, encoding="latin-1")
    assert "train.py" in complaint(folder)


@pytest.mark.parametrize(
    "code",
    ["-" * 240_000 + "1", "if 1: pass\n" + "elif 1: pass\n" * 15_000, "x = " + "(" * 5000, "\0"],
    ids=["minus signs", "elifs", "brackets", "zero byte"],
)
def test_what_python_says_nothing_of_is_still_told(folder: Path, code: str) -> None:
    """Its parser gives up without a text, or at line 0 or None."""
    (folder / "train.py").write_text(code)
    message = complaint(folder)
    place, _, problem = message.partition(": not valid Python: ")
    assert problem.strip()
    assert place.endswith("train.py") or int(place.rpartition(":")[2]) > 0


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ('{"val_bpb": "1"}', "val_bpb"),
        ("[" * 9999, "JSON"),
        ("[" * 40 + "]" * 40, "nested more than 32 levels deep"),
        ('{"val_bpb": NaN}', "NaN is not a JSON number"),
        (" " * (1 << 21), "1,048,576 are read"),
    ],
)
def test_malformed_claims_are_named(folder: Path, claims: str, expected: str) -> None:
    (folder / "submission.json").write_text(claims)
    assert expected in complaint(folder)


def test_a_script_in_this_folder_may_be_called_so(folder: Path) -> None:
    change(folder, 'command = ["python", "train.py"]', 'command = ["python", "./train.py"]')
    assert load_submission(folder).manifest.train.command == ("python", "./train.py")
    change(folder, 'command = ["python", "train.py"]', 'command = ["python", "./other.py"]')
    assert "'./other.py'" in complaint(folder)


def test_all_code_together_is_bounded_before_it_is_read(folder: Path) -> None:
    change(folder, 'files = ["train.py"]', 'files = ["train.py", "a.bin", "b.bin", "c.bin"]')
    for name, size in (("a.bin", 24 << 20), ("b.bin", 24 << 20), ("c.bin", 1 << 40)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    found = complaint(folder)
    assert "c.bin: 1,099,511,627,776 bytes" in found and "67,108,864" in found
    (folder / "c.bin").write_bytes(bytes((16 << 20) + 1))
    assert "c.bin" in complaint(folder)


def test_code_is_parsed_once_and_within_bounds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    parse = ast.parse

    def counting(content: bytes, *arguments: str, **options: Any) -> Any:
        parsed.append(len(content))
        return parse(content, *arguments, **options)

    monkeypatch.setattr("harness.source_code.imports.ast.parse", counting)
    names = [f"part{index}.py" for index in range(6)]
    change(folder, 'files = ["train.py"]', f"files = {['train.py', *names]}".replace("'", '"'))
    for index, name in enumerate(names):
        (folder / name).write_text(f"import absent{index}\n" + "x\n" * 30_000)
    found = told(folder)
    assert len(parsed) == 5 and sum(parsed) <= LARGEST_PARSED_BYTES
    assert "part3.py:1: may import 'absent3'" in found
    assert "part4.py: not examined" in found and "part5.py: not examined" in found


def test_a_loader_too_large_to_be_parsed_is_refused(folder: Path) -> None:
    (folder / "train.py").write_text(CODE + "x\n" * (1 << 19))
    assert "keep the loader's module below 262,144" in complaint(folder)


@pytest.mark.parametrize("what", ["pathlib.Path.is_dir", "os.open"])
def test_a_folder_that_may_not_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(what, refuse)
    assert "Permission denied" in complaint(folder)


def test_an_import_that_no_file_can_have_is_a_warning(folder: Path) -> None:
    (folder / "train.py").write_text(f"import {'a' * 300}\n" + CODE)
    assert "a package that the image does not have" in told(folder)


def test_warnings_name_what_will_fail_in_the_sandbox(folder: Path) -> None:
    (folder / "train.py").write_text("import helper, flash_attn, torch, json\n" + CODE)
    (folder / "helper.py").write_text("")
    (folder / "README.md").unlink()
    found = told(folder)
    assert "README.md: missing" in found
    assert "train.py:1: imports 'helper', a file beside it" in found
    assert "imports 'flash_attn', a package that the image does not have" in found
    assert "torch" not in found.replace("flash", "") and "json'" not in found


def test_precheck_fails_on_code_or_claims_beyond_the_cap(folder: Path) -> None:
    track = load_track("10min_16mb")
    assert all(f.status == "pass" for f in precheck(load_submission(folder), track))
    (folder / "submission.json").write_text('{"bytes_total": 16000001}')
    assert "fail" in {f.status for f in precheck(load_submission(folder), track)}
    (folder / "submission.json").write_text('{"bytes_total": 16000000}')
    assert "fail" not in {f.status for f in precheck(load_submission(folder), track)}
    change(folder, 'files = ["train.py"]', 'files = ["train.py", "blob.py"]')
    (folder / "blob.py").write_text("#" * 16_000_000)
    assert "fail" in {f.status for f in precheck(load_submission(folder), track)}


@given(st.binary(max_size=300))
def test_any_manifest_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("s")
    (folder / "submission.toml").write_bytes(content)
    with pytest.raises(SubmissionError):
        load_submission(folder)


def with_words(folder: Path, section: str) -> None:
    """Add a module with a tokenizer, and a section that names it."""
    (folder / "words.py").write_text("def make(model):\n    return None\n")
    change(folder, 'files = ["train.py"]', 'files = ["train.py", "words.py"]')
    with (folder / "submission.toml").open("a") as file:
        file.write(f"\n[tokenizer]\n{section}\n")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ('code = "words"', "tokenizer.code"),
        ('code = "other:make"', "module 'other' is other.py, which [code] files does not list"),
        ('code = "words:build"', "words.py defines no 'build'; expected `def build(model: Path"),
        ('code = "words:make"\nkind = "bytes"', "built in and takes no code"),
        ('code = "words:make"\nmodel = "absent.bin"', "absent.bin: no such file"),
        ('code = "words:make"\nmodel = "../words.py"', "not a plain relative path"),
        ('code = "words:make"\nother = 1', "tokenizer.other"),
        ("", "give either model"),
    ],
)
def test_a_tokenizer_of_code_must_be_there(folder: Path, section: str, expected: str) -> None:
    with_words(folder, section)
    assert expected in complaint(folder)


def test_a_tokenizer_of_code_is_counted_with_its_model_whatever_the_track(folder: Path) -> None:
    model = bytes(5 << 20)  # larger than any model that we would parse
    (folder / "table.bin").write_bytes(model)
    with_words(folder, 'code = "words:make"\nmodel = "table.bin"')
    submission = load_submission(folder)
    entered = submission.entry("smoke")
    assert entered.tokenizer.kind == "code" and entered.tokenizer.file == "table.bin"
    assert entered.counted_bytes(tokenizer_counted=False) == submission.code_bytes > len(model)
    brought = brought_along(entered, submission.contents)
    assert brought.tokenizer_bytes is None
    assert "table.bin" in [file.name for file in brought.files]
    track = load_track("smoke")
    check_on_track(submission, track)
    with pytest.raises(SubmissionError, match="gives code no time to tokenize"):
        check_on_track(submission, track.model_copy(update={"tokenizing": None}))


def test_a_tokenizers_module_too_large_to_be_parsed_is_refused(folder: Path) -> None:
    with_words(folder, 'code = "words:make"')
    (folder / "words.py").write_text("x\n" * (1 << 19))
    assert "tokenizer.code" in complaint(folder)
    assert "keep the tokenizer's module below 262,144" in complaint(folder)
