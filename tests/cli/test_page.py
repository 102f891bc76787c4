"""The page that a verification leaves, and the browser that it is shown in."""

import argparse
import webbrowser
from pathlib import Path

import pytest

from harness.cli.page import NAME, page_options, publish_page
from harness.judge.stored import judge_path
from tests.factories.playground import harness
from tests.judge.test_recipes import A, verified


def options(*typed: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    page_options(parser)
    return parser.parse_args(typed)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    def take(address: str) -> bool:
        found.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", take)
    return found


def test_without_being_asked_there_is_no_page(tmp_path: Path, opened: list[str]) -> None:
    run = verified(tmp_path / "a", A)
    publish_page(run, options())
    assert not (run / NAME).exists() and not opened


def test_a_page_is_written_and_opened(tmp_path: Path, opened: list[str]) -> None:
    run, page = verified(tmp_path / "a", A), tmp_path / "page.html"
    publish_page(run, options("--report", str(page)))
    assert page.read_text().startswith("<!DOCTYPE html>") and not opened
    publish_page(run, options("--open"))
    assert opened == [(run / NAME).as_uri()]
    # A page beside the evidence is none of it.
    assert judge_path(run).verdict == "VERIFIED"


def test_what_goes_wrong_with_a_page_changes_no_verdict(
    tmp_path: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = verified(tmp_path / "a", A)
    publish_page(run, options("--report", str(tmp_path / "missing" / "page.html"), "--open"))
    assert "the verdict stands" in capsys.readouterr().err and not opened


def test_a_machine_without_a_browser_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(address: str) -> bool:
        raise webbrowser.Error("no browser")

    monkeypatch.setattr(webbrowser, "open", refuse)
    run = verified(tmp_path / "a", A)
    publish_page(run, options("--open"))
    assert "open it" not in (said := capsys.readouterr().err) and "no browser" in said


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    done = harness("verify", tmp_path, "--report", tmp_path / "missing" / "page.html")
    assert done.code == 2 and "--report" in done.err and "cannot be written" in done.err
