"""Versions with a known escape are named; robustly, and no repaired one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sandbox.docker import cves
from harness.sandbox.docker.backend import known_escapes
from harness.sandbox.docker.cves import components, escapes_of, known, version_of


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.1.5+ds1-1+deb12u1", (1, 1, 5)),
        ("1.1.5+ds1", (1, 1, 5)),
        ("v1.7.24", (1, 7, 24)),
        ("1.6.20~ds1", (1, 6, 20)),
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("1.3", (1, 3, 0)),
        ("NVIDIA Container Toolkit CLI version 1.17.8\ncommit: abc", (1, 17, 8)),
    ],
)
def test_versions_of_all_kinds(text: str, version: tuple[int, int, int]) -> None:
    found = version_of(text)
    assert found is not None
    assert found[:3] == version


def test_a_candidate_comes_before_its_release() -> None:
    order = ["1.0.0-rc9", "1.0.0-rc94", "1.0.0~rc95", "1.0.0-rc.96", "1.0.0", "1.0.1-rc1"]
    versions = [version_of(text) for text in order]
    assert None not in versions
    assert versions == sorted(versions)  # type: ignore[type-var]


@pytest.mark.parametrize("text", ["", "unknown", "de40ad0", "v1"])
def test_what_is_no_version(text: str) -> None:
    assert version_of(text) is None
    assert escapes_of({"runc": text}) == []


@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    escapes_of({"runc": text, "containerd": text})


@pytest.mark.parametrize(
    ("runc", "named"),
    [
        ("1.0.0-rc94", ["CVE-2025", "CVE-2024-21626", "CVE-2021-30465"]),
        ("1.0.0-rc95", ["CVE-2025", "CVE-2024-21626"]),
        ("1.1.11", ["CVE-2025", "CVE-2024-21626"]),
        ("1.1.12", ["CVE-2025"]),
        ("1.2.7", ["CVE-2025"]),
        ("1.2.8", []),
        ("1.3.2", ["CVE-2025"]),
        ("1.3.3", []),
        ("1.4.0", []),
        ("2.0.0", []),
    ],
)
def test_each_branch_has_its_own_repair(runc: str, named: list[str]) -> None:
    found = [escape.id for _, escape in escapes_of({"runc": runc})]
    assert len(found) == len(named)
    assert all(identity.startswith(start) for identity, start in zip(found, named, strict=True))


def test_the_toolkit_for_gpus() -> None:
    found = {escape.id for _, escape in escapes_of({cves.TOOLKIT: "1.17.7"})}
    assert found == {"CVE-2025-23266"}
    assert escapes_of({cves.TOOLKIT: "1.17.8"}) == []


def test_a_component_that_is_absent_is_not_named() -> None:
    assert escapes_of({"docker-init": "0.19.0"}) == []
    assert {escape.component for escape in known()} == {"runc", "containerd", cves.TOOLKIT}


def test_a_distribution_shows_its_revision_as_the_commit() -> None:
    parts = [
        {"Name": "runc", "Version": "1.1.5+ds1", "Details": {"GitCommit": "1.1.5+ds1-1+deb12u1"}},
        {"Name": "containerd", "Version": "v1.7.24", "Details": {"GitCommit": "88bf19b"}},
        {"Name": "broken"},
    ]
    found = components({"Components": parts})
    assert found["runc"] == "1.1.5+ds1-1+deb12u1"
    assert found["containerd"] == "v1.7.24"
    assert found["broken"] == ""


@pytest.mark.docker
@pytest.mark.parametrize(
    ("runc", "status"), [("1.1.5+ds1-1+deb12u1", "unknown"), ("1.4.0", "pass")]
)
def test_doctor_names_them_as_a_warning(
    monkeypatch: pytest.MonkeyPatch, runc: str, status: str
) -> None:
    monkeypatch.setattr(cves, "components", lambda description: {"runc": runc})
    found = known_escapes()
    assert found.status == status, "never a failure: the number alone proves nothing"
    assert ("CVE-2024-21626" in found.detail) == (status == "unknown")
    assert ("under the same number" in found.remedy) == (status == "unknown")
