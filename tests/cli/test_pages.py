"""README and docs: links lead somewhere, and the parser knows the commands in code blocks."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.main import parser
from harness.cli.reference import PAGE, commands, commands_text
from tests.factories.playground import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docker/*.md", "submissions/*.md", "submissions/*/*.md",
                    "harness/templates/*/*.md")
    for path in ROOT.glob(pattern)
)  # fmt: skip
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
_LINK = re.compile(r"(?<!\\)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:\$ +)?(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?harness (?=[a-z-])")


def without_code(text: str) -> str:
    text = re.sub(r"(?ms)^```.*?^```$", "", text)
    return re.sub(r"(?m)^(?: {4}|\t).*$", "", re.sub(r"`[^`\n]+`", "", text))


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them, and those that it sets itself."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    found: set[str] = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"(?m)^#+ +(.+?) *$", text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page, broken = ROOT / name, []
    for link in _LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        there = target.exists() and target.is_relative_to(ROOT)
        if not there or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def code_lines(text: str) -> Iterator[str]:
    """Lines of code blocks, fenced or indented; a line that ends with a backslash goes on."""
    text = text.replace("\\\n", " ")
    for block in re.findall(r"(?ms)^ *```(?:\w*)\n(.*?)^ *```$", text):
        yield from (line.strip() for line in block.splitlines())
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
    yield from (line.strip() for line in re.findall(r"(?m)^ {4}(.*)$", text))


def commands_of(text: str) -> Iterator[str]:
    """Commands of ours, without the words that explain them: after two blanks, or a comment."""
    for line in code_lines(text):
        if found := _COMMAND.match(line):
            command = re.split(r"\s#|\s>|\s\|\s|\s&&\s", line[found.end() :])[0]
            head, _, _ = re.sub(r"(?<=\S) {2,}(?=-)", " ", command).partition("  ")
            yield head.strip()


def problem_with(command: str) -> str:
    """What the parser says of a command; a synopsis in brackets must name options that exist."""
    words = shlex.split(re.sub(r"\.\.\.", "", command))
    known = commands()
    name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), "")
    if not name:
        return f"no command {words[0]}"
    if "[" in command:
        asked = set(re.findall(r"--[a-z-]+", command))
        has = {option for action in known[name]._actions for option in action.option_strings}
        return f"no option {sorted(asked - has)}" if asked - has else ""
    # A word in capitals stands for a value; of alternatives the first is taken.
    filled = [re.sub(r"^([^|]+)\|.*$", r"\1", word) for word in words]
    numbers = {"N": "5", "SEED": "5", "FACTOR": "2", "NATS": "0.01", "K": "2", "BPB": "1.1"}
    try:
        parser().parse_args([numbers.get(word, word) for word in filled])
    except SystemExit as end:
        return "" if end.code == 0 else "the parser refuses it"
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_code_blocks_are_what_the_parser_knows(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = {command: problem_with(command) for command in commands_of(text)}
    assert {command: problem for command, problem in found.items() if problem} == {}


def test_the_search_finds_commands_and_what_is_wrong_with_them() -> None:
    text = "x\n\n    harness check submissions/NAME   # form\n    harness nonsense\n"
    text += "\n```\nharness audit\n```\n"
    assert sorted(commands_of(text)) == ["audit", "check submissions/NAME", "nonsense"]
    assert problem_with("check submissions/NAME") == ""
    assert problem_with("nonsense") == "no command nonsense"
    assert problem_with("audit") == "the parser refuses it"
    assert problem_with("verify FOLDER [--trakc NAME]") == "no option ['--trakc']"


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_says_what_it_is(name: str) -> None:
    one = commands()[name]
    assert one.description
    silent = [action.dest for action in one._actions if not action.help]
    assert silent == []


def test_the_page_of_commands_is_fresh_and_names_every_command_and_option() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == commands_text(), "run `make docs` and commit the result"
    for name, one in commands().items():
        assert f"## `harness {name}`" in page
        for option in (option for action in one._actions for option in action.option_strings):
            assert option in ("-h", "--help") or f"`{option}`" in page


def test_the_readme_is_short_enough_to_be_read_aloud() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 700


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == {link for link in _LINK.findall(index) if "/" not in link}
