"""Remarks as JUnit's XML, which every system that runs tests can read."""

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from harness.gate.remarks import FILE_LIMIT, ID_LIMIT, SENTENCE_LIMIT, Remark
from harness.safeio.text import plain


def junit(suites: Mapping[str, Sequence[Remark]]) -> bytes:
    """One test suite for each named group of remarks, one test case for each remark.

    ``fail`` is a failure; ``unknown`` is a skipped test that says why, since JUnit knows no
    warning. Strings lose what XML cannot hold.
    """
    root = ElementTree.Element("testsuites")
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for name, remarks in suites.items():
        statuses = [remark.status for remark in remarks]
        counts = {
            "tests": len(statuses),
            "failures": statuses.count("fail"),
            "skipped": statuses.count("unknown"),
        }
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": plain(name, FILE_LIMIT), **_texts(counts), "errors": "0"}
        )
        for remark in remarks:
            _case(suite, name, remark)
        totals = {key: totals[key] + count for key, count in counts.items()}
    root.attrib.update(_texts(totals) | {"errors": "0"})
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _case(suite: ElementTree.Element, name: str, remark: Remark) -> None:
    sentence = plain(remark.sentence, SENTENCE_LIMIT)
    attributes = {"classname": plain(name, FILE_LIMIT), "name": plain(remark.id, ID_LIMIT)}
    if remark.file:
        attributes["file"] = plain(remark.file, FILE_LIMIT)
        if remark.line:
            attributes["line"] = str(remark.line)
    case = ElementTree.SubElement(suite, "testcase", attributes)
    if remark.status == "fail":
        ElementTree.SubElement(case, "failure", {"message": sentence}).text = sentence
    elif remark.status == "unknown":
        ElementTree.SubElement(case, "skipped", {"message": sentence})
    else:
        ElementTree.SubElement(case, "system-out").text = sentence


def _texts(counts: Mapping[str, int]) -> dict[str, str]:
    return {key: str(count) for key, count in counts.items()}
