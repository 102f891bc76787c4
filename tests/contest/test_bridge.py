"""Bridges: written and read back, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.bridge import (
    ArtifactFile,
    Bridge,
    Evaluation,
    Launch,
    Logits,
    NoTrain,
    Rehearsal,
    Vocabulary,
    Windows,
    parse_bridge,
    render_bridge,
)
from harness.errors import UsageError


def bridge(**changes: object) -> Bridge:
    """The bridge of a plain script."""
    fields: dict[str, object] = {
        "launch": Launch(script="train_gpt.py", env={"NUM_LAYERS": "9"}),
        "artifact": ArtifactFile(file="final_model.int8.ptz", others=("final_model.pt",)),
        "no_train": NoTrain(env={"ITERATIONS": "0", "WARMUP_STEPS": "0"}),
        "evaluation": Evaluation(function="eval_val", model="model"),
        "logits": Logits(how="loss"),
        "windows": Windows(context=1024, stride=64, first="tail"),
        "vocabulary": Vocabulary(size=1024),
        "rehearsal": Rehearsal(env={"NUM_LAYERS": "2"}, windows=Windows(context=64, stride=16)),
        "why": {"artifact.file": "train_gpt.py:1020", "launch.env.NUM_LAYERS": "README"},
    }
    return Bridge.model_validate(fields | changes)


def test_a_bridge_reads_back_as_it_was_written() -> None:
    assert parse_bridge(render_bridge(bridge())) == bridge()


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
)


@given(said=texts, value=texts)
def test_any_text_reads_back(said: str, value: str) -> None:
    made = bridge(launch=Launch(script="a.py", env={"X": value}), why={said: value})
    assert parse_bridge(render_bridge(made)) == made


@pytest.mark.parametrize(
    ("toml", "field", "problem"),
    [
        ("[launch]\nscript = '../x.py'\n[vocabulary]\nsize = 9", "launch.script", "relative path"),
        ("[launch]\nscript = 'x.py'\n", "vocabulary", "missing"),
        ("[launch]\nscript = 'x.py'\nenv = {SEED = '1'}\n[vocabulary]\nsize = 9", "env", "harness"),
        (
            "[launch]\nscript = 'x.py'\n[vocabulary]\nsize = 9\n[windows]\ncontext = 9\nstride = 9",
            "",
            "all of them, or none",
        ),
        ("[launch]\nscript = 3", "launch.script", "a text in quotes"),
        ("[launch", "", "not valid TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "", "not valid TOML"),
        (
            f"[launch]\nscript = 'x.py'\nenv = {{A = '{'x' * 5000}'}}\n[vocabulary]\nsize = 9",
            "",
            "4,096",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(toml: str, field: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_bridge(toml.encode())
    assert field in str(error.value)
    assert problem in str(error.value)
    assert "bridge.toml" in str(error.value)
