"""What an entry needs and a sandbox has not is told by name, before anything runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.bridge import Bridge, Launch, Rehearsal, Vocabulary
from harness.errors import InfrastructureError
from harness.evidence.host import Packages, SandboxFacts
from harness.package import PACKAGE
from harness.run.needs import STOOD_IN, check_needs, missing_packages


def sandbox(*modules: str, programs: tuple[str, ...] = (), kind: str = "docker",
            python: str = "3.13.5") -> SandboxFacts:  # fmt: skip
    packages = Packages(python=python, modules=modules, programs=programs)
    return SandboxFacts(kind=kind, packages=packages)


def bridge(**rehearsal: object) -> Bridge:
    return Bridge(
        launch=Launch(script="train_gpt.py"),
        vocabulary=Vocabulary(size=1024),
        rehearsal=Rehearsal.model_validate(rehearsal),
    )


def test_a_module_is_there_or_missing() -> None:
    facts = sandbox("brotli", "python_minifier")
    assert missing_packages(["brotli", "python_minifier", "fla"], [], facts) == ["fla"]


def test_programs_are_looked_for_too() -> None:
    facts = sandbox(programs=("lrzip",))
    assert missing_packages(["json"], ["lrzip", "pyminify"], facts) == ["pyminify"]


def test_what_is_stood_in_for_is_not_missing() -> None:
    facts = sandbox()
    wanted = ["flash_attn_interface", "triton"]
    assert missing_packages(wanted, ["nvidia-smi"], facts, stood_in=STOOD_IN) == ["triton"]


def test_the_stand_in_brings_what_it_is_said_to() -> None:
    folder = PACKAGE / "inside" / "upstream"
    modules = {path.stem for path in (folder / "cuda_shim").iterdir()}
    programs = {path.stem.replace("_", "-") for path in (folder / "programs").glob("*.py")}
    assert set(STOOD_IN) <= modules | programs


def test_a_sandbox_that_was_not_looked_at_lacks_nothing() -> None:
    assert missing_packages(["fla"], ["lrzip"], SandboxFacts(kind="docker")) == []


@given(
    st.lists(st.sampled_from(["brotli", "fla", "triton", "einops"]), unique=True),
    st.sets(st.sampled_from(["brotli", "fla", "triton", "einops"])),
)
def test_all_that_is_missing_is_named_once_and_in_order(wanted: list[str], has: set[str]) -> None:
    missing = missing_packages(wanted, [], sandbox(*has))
    assert missing == [name for name in wanted if name in missing]
    assert missing_packages(missing, [], sandbox(*has)) == missing


class TestCheck:
    NEEDS = bridge(packages=("brotli", "flash_attn_interface"), programs=("lrzip",), python="3.12")

    def test_all_there(self) -> None:
        check_needs(self.NEEDS, sandbox("brotli", programs=("lrzip",)), rehearsal=True)

    @pytest.mark.parametrize(
        ("facts", "rehearsal", "message", "remedy"),
        [
            (sandbox("brotli"), True, "train_gpt.py needs lrzip: not in the docker sandbox",
             "docker/make-base.sh"),
            (sandbox(kind="process"), True, "needs brotli, lrzip: not in the process sandbox",
             "[upstream]"),
            (sandbox("brotli", programs=("lrzip",)), False,
             "needs flash_attn_interface (package flash-attn-3)",
             "how to add one"),
            (sandbox("brotli", "flash_attn_interface", programs=("lrzip",), python="3.11.2"), False,
             "needs Python 3.12", "docker/README.md"),
        ],
    )  # fmt: skip
    def test_what_lacks_is_told(
        self, facts: SandboxFacts, rehearsal: bool, message: str, remedy: str
    ) -> None:
        with pytest.raises(InfrastructureError) as told:
            check_needs(self.NEEDS, facts, rehearsal=rehearsal)
        assert message in told.value.message and remedy in (told.value.remedy or "")

    def test_in_a_rehearsal_newer_grammar_is_rewritten(self) -> None:
        there = sandbox("brotli", programs=("lrzip",), python="3.11.2")
        check_needs(self.NEEDS, there, rehearsal=True)
