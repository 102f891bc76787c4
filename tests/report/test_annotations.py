"""Findings for machines: GitHub's commands and JUnit's XML hold a stranger's text as text."""

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models import Finding
from harness.report.annotations import MOST_OF_A_KIND, annotations
from harness.report.junit import junit
from harness.safeio.text import plain

texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "::error::x",
            "a\n::set-output name=x::y",
            "a\r::stop-commands::x",
            "##[error]x",
            "x ##[add-mask]y",
            "100 %, a:b,c=d::e",
            "%0A::warning::x",
            "]]> <!-- & \x00 \ufffe",
        ]
    ),
)
notes = st.builds(
    Finding,
    id=texts,
    status=st.sampled_from(["pass", "fail", "unknown"]),
    detail=texts,
    file=st.none() | texts,
    line=st.none() | st.integers(1, 9999),
    field=st.none() | texts,
    remedy=texts,
)


def _decoded(text: str) -> str:
    for code, character in (("%2C", ","), ("%3A", ":"), ("%25", "%")):
        text = text.replace(code, character)
    return text


@settings(max_examples=300)
@given(notes)
def test_an_annotation_is_one_command_whose_parts_are_whole(note: Finding) -> None:
    written = annotations([note], prefix="folder")
    if note.status == "pass":
        assert written == ""
        return
    assert written.endswith("\n") and len(written.splitlines()) == 1
    assert "##[" not in written
    head, _, message = written.rstrip("\n")[2:].partition("::")
    command, _, properties = head.partition(" ")
    assert command == {"fail": "error", "unknown": "warning"}[note.status]
    fields = dict(field.split("=", 1) for field in properties.split(","))
    assert set(fields) <= {"file", "line", "title"}
    assert _decoded(message) == plain(note.sentence, 600).replace("##[", "# #[")
    assert _decoded(fields["title"]) == plain(note.id, 80).replace("##[", "# #[")
    if note.file and note.line:
        assert fields["line"] == str(note.line)


def test_only_as_many_as_github_shows() -> None:
    written = annotations([Finding(id="a", status="fail", detail="s")] * 25)
    assert written.count("::error") == MOST_OF_A_KIND
    assert written.splitlines()[-1] == "::notice::15 more findings are in the summary"


def test_what_failed_comes_first() -> None:
    both = [
        Finding(id="w", status="unknown", detail="warned", file="a.py", line=2),
        Finding(id="f", status="fail", detail="failed, 100 %", file="b,c.py"),
    ]
    assert annotations(both) == (
        "::error file=b%2Cc.py,title=f::failed, 100 %25\n"
        "::warning file=a.py,line=2,title=w::warned\n"
    )


@settings(max_examples=200)
@given(st.lists(notes, max_size=5), texts)
def test_junit_is_xml_that_counts_right(some: list[Finding], name: str) -> None:
    root = ElementTree.fromstring(junit({name: some}))
    assert root.attrib["tests"] == str(len(some))
    assert root.attrib["failures"] == str(sum(note.status == "fail" for note in some))
    cases = root.findall("./testsuite/testcase")
    assert len(cases) == len(some)
    for case, note in zip(cases, some, strict=True):
        found = {"fail": "failure", "unknown": "skipped", "pass": "system-out"}[note.status]
        assert [child.tag for child in case] == [found]
        assert case.attrib["name"] == plain(note.id, 80)
        if note.status != "pass":
            assert case[0].attrib["message"] == plain(note.sentence, 600)


def test_several_suites_are_added_up() -> None:
    suites = {
        "one": [Finding(id="a", status="fail", detail="s")],
        "two": [
            Finding(id="b", status="unknown", detail="s"),
            Finding(id="c", status="pass", detail=""),
        ],
    }
    root = ElementTree.fromstring(junit(suites))
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["skipped"]) == (
        "3",
        "1",
        "1",
    )
    assert [suite.attrib["name"] for suite in root] == ["one", "two"]
