"""Findings as JUnit XML, which most CI systems can read."""

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from harness.models import Finding
from harness.report.finding_lists import FILE_LIMIT, ID_LIMIT, SENTENCE_LIMIT
from harness.safeio.text import plain


def junit(suites: Mapping[str, Sequence[Finding]]) -> bytes:
    """One test suite for each named group of findings, one test case for each finding.

    ``fail`` becomes a failure; ``unknown`` becomes a skipped test with the reason, since JUnit has
    no warnings. Characters that XML does not allow are removed.
    """
    root = ElementTree.Element("testsuites")
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for name, findings in suites.items():
        statuses = [finding.status for finding in findings]
        counts = {
            "tests": len(statuses),
            "failures": statuses.count("fail"),
            "skipped": statuses.count("unknown"),
        }
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": plain(name, FILE_LIMIT), **_texts(counts), "errors": "0"}
        )
        for finding in findings:
            _case(suite, name, finding)
        totals = {key: totals[key] + count for key, count in counts.items()}
    root.attrib.update(_texts(totals) | {"errors": "0"})
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _case(suite: ElementTree.Element, name: str, finding: Finding) -> None:
    sentence = plain(finding.sentence, SENTENCE_LIMIT)
    attributes = {"classname": plain(name, FILE_LIMIT), "name": plain(finding.id, ID_LIMIT)}
    if finding.file:
        attributes["file"] = plain(finding.file, FILE_LIMIT)
        if finding.line:
            attributes["line"] = str(finding.line)
    case = ElementTree.SubElement(suite, "testcase", attributes)
    if finding.status == "fail":
        ElementTree.SubElement(case, "failure", {"message": sentence}).text = sentence
    elif finding.status == "unknown":
        ElementTree.SubElement(case, "skipped", {"message": sentence})
    else:
        ElementTree.SubElement(case, "system-out").text = sentence


def _texts(counts: Mapping[str, int]) -> dict[str, str]:
    return {key: str(count) for key, count in counts.items()}
