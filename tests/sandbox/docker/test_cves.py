"""Versions with a known escape are named; robustly, and no repaired one."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.evidence.escapes import MOST, VOUCHING, unvouched, vouching_line
from harness.sandbox.docker import cves
from harness.sandbox.docker.backend import known_escapes
from harness.sandbox.docker.cves import components, escapes_of, known, known_in, version_of
from harness.sandbox.docker.sandbox import DockerSandbox


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


@pytest.mark.parametrize("shown", ["", "unknown", "HEAD; runc 1.4.0", "v1"])
def test_a_version_that_cannot_be_read_has_all_that_is_known(shown: str) -> None:
    versions = {"runc": shown, "containerd": "2.2.0"}
    if cves.version_of(shown) is None:
        found = known_in(versions)
        assert {escape.component for escape in found} == {"runc"}
        assert {escape.version for escape in found} == {cves.UNREAD}
        assert len(found) == sum(len(each.ids) for each in known() if each.component == "runc")
    else:
        assert known_in(versions) == ()


@pytest.mark.parametrize("does", ["echo none", "exit 1", "echo nvidia 1.17.8"])
def test_a_toolkit_that_does_not_tell_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    tool = tmp_path / "nvidia-ctk"
    tool.write_text(f"#!/bin/sh\n{does}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    shown = components({})[cves.TOOLKIT]
    assert shown == ("1.17.8" if "1.17.8" in does else cves.UNREAD)


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


DEBIAN = "1.1.5+ds1-1+deb12u1"
FOUND = {"CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881", "CVE-2024-21626"}


def left_open(versions: dict[str, str]) -> set[str]:
    return {escape.id for escape in unvouched(known_in(versions))}


def test_evidence_names_each_by_itself_with_the_version_that_repairs_it() -> None:
    found = {escape.id: escape for escape in known_in({"runc": DEBIAN, "containerd": "v1.7.24"})}
    assert found.keys() == FOUND
    worst = found["CVE-2024-21626"]
    assert (worst.component, worst.version, worst.repaired_in) == ("runc", DEBIAN, ("1.1.12",))
    assert not any(escape.vouched for escape in found.values())
    assert known_in({"runc": "1.4.0"}) == (), "looked for, and none found"


def test_what_a_host_can_have_fits_into_the_evidence() -> None:
    oldest: dict[str, str] = {escape.component: "0.1.0" for escape in known()}
    found = known_in(oldest)
    assert len(found) == sum(len(escape.ids) for escape in known()) <= MOST
    assert len({escape.id for escape in found}) == len(found)


def test_the_referee_vouches_for_one_version_and_the_escapes_that_he_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = f"runc {DEBIAN}: CVE-2024-21626, CVE-2025-31133; runc 1.1.9: CVE-2025-52565"
    monkeypatch.setenv(VOUCHING, said)
    assert left_open({"runc": DEBIAN}) == FOUND - {"CVE-2024-21626", "CVE-2025-31133"}
    assert left_open({"runc": "1.1.5"}) == FOUND, "another version is another word"
    assert left_open({"runc": "1.1.9"}) == FOUND - {"CVE-2025-52565"}
    assert {escape.id for escape in known_in({"runc": DEBIAN})} == FOUND, "and all are told"


@given(
    st.dictionaries(
        st.sampled_from(["runc", "containerd", cves.TOOLKIT]),
        st.sampled_from(["0.1.0", "1.1.5+ds1", DEBIAN, "1.2.7", "1.6.20~ds1-1+deb12u3", "a;b:c"]),
    )
)
def test_the_line_that_we_propose_vouches_for_all_that_was_open(versions: dict[str, str]) -> None:
    found = unvouched(known_in(versions))
    name, _, value = vouching_line(found).partition("=")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value.strip("'"))
        assert left_open(versions) == set()


@pytest.mark.parametrize(
    "said",
    [
        "yes",
        "CVE-2024-21626",
        "runc: CVE-2024-21626",
        f"runc {DEBIAN}",
        f"runc {DEBIAN}:",
        f"runc {DEBIAN}: all",
        f"runc {DEBIAN}: CVE-2024-21626 CVE-2021-30465",
        f"runc {DEBIAN}: CVE-2024-21626,",
        ";" * 20_000,
    ],
)
def test_a_word_that_is_not_understood_vouches_for_nothing_and_is_told(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv(VOUCHING, said)
    with pytest.raises(InfrastructureError, match=f"{VOUCHING}: expected") as told:
        known_in({"runc": DEBIAN})
    assert "harness doctor prints" in told.value.remedy


@given(st.text(max_size=60).filter(lambda text: "\0" not in text and text.isprintable()))
def test_any_word_vouches_for_what_it_names_or_is_refused(said: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VOUCHING, said)
        with contextlib.suppress(InfrastructureError):
            assert left_open({"runc": DEBIAN}) == FOUND or "CVE-" in said


@pytest.mark.docker
@pytest.mark.parametrize(
    ("runc", "refused", "said", "status"),
    [
        (DEBIAN, False, "", "unknown"),
        (DEBIAN, True, "", "fail"),
        (DEBIAN, True, f"runc {DEBIAN}: {', '.join(sorted(FOUND))}", "pass"),
        ("1.4.0", True, "", "pass"),
    ],
)
def test_doctor_names_them_and_fails_where_the_track_refuses_them(
    monkeypatch: pytest.MonkeyPatch, runc: str, refused: bool, said: str, status: str
) -> None:
    monkeypatch.setattr(cves, "components", lambda description: {"runc": runc})
    monkeypatch.setenv(VOUCHING, said)
    found = known_escapes(refused=refused)
    assert found.status == status
    assert ("CVE-2024-21626" in found.detail) == (runc == DEBIAN)
    assert ("the referee vouches for runc" in found.detail) == bool(said)
    assert ("under the same number" in found.remedy) == (status != "pass")
    assert (f"{VOUCHING}='runc {DEBIAN}: CVE" in found.remedy) == (status != "pass")


@pytest.mark.docker
def test_doctor_tells_a_word_that_it_does_not_understand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VOUCHING, "all is well")
    found = known_escapes()
    assert (found.id, found.status) == ("known_escapes", "fail")
    assert found.detail.startswith(f"{VOUCHING}: expected")


@pytest.mark.docker
def test_the_sandbox_writes_down_what_doctor_warns_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.sandbox.docker.sandbox.components", lambda description: {"runc": DEBIAN}
    )
    facts = DockerSandbox().prepare()
    assert {escape.id for escape in facts.known_escapes or ()} == FOUND
