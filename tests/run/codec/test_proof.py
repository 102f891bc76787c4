"""A tokenizer that is code: an honest one passes whatever the text is, and each lie is named."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from harness.errors import InfrastructureError
from harness.evidence.host import SandboxFacts
from harness.run.codec.texts import texts_of_code
from harness.run.derived import FOLDER, kept
from tests.run.codec.conftest import TRAIN, VALIDATION, Benches, changed

ALL_TEXT = sum(len(text.encode()) + 1 for text in VALIDATION)


def test_an_honest_one_passes_and_makes_a_dataset(benches: Benches) -> None:
    bench = benches()
    proven = bench.prove()
    proof = proven.proof
    assert proof is not None and not proof.problem
    assert (proof.vocabulary_size, proof.validation_tokens) == (257, ALL_TEXT)
    assert proof.train_tokens == sum(len(text.encode()) + 1 for text in TRAIN)
    assert len(VALIDATION) < proof.repeated < len(VALIDATION) + len(TRAIN)
    labels = [phase.label for phase in proven.phases]
    assert labels == [
        "encode-train-1",
        "encode-validation-1",
        "again-validation-1",
        "decode-validation-1",
        "decode-train-1",
    ]
    assert {phase.outcome for phase in proven.phases} == {"completed"}

    with ExitStack() as holds:
        facts = SandboxFacts(kind="process")
        texts = texts_of_code(bench.coder, bench.entry, facts, bench.stock, proof, holds=holds)
        stream = texts.scored.validation_tokens()
        starts = np.flatnonzero(stream == 256).tolist()
        ends = [*starts[1:], len(stream)]
        found = [
            bytes(stream[start + 1 : end].tolist()).decode()
            for start, end in zip(starts, ends, strict=True)
        ]
        assert found == VALIDATION
        assert (
            texts.scored.tokenizer_path.read_bytes() == (bench.coder.code / "words.py").read_bytes()
        )


def test_it_is_made_once_and_asked_again_by_each_plan(benches: Benches) -> None:
    bench = benches()
    first, notes = bench.prove(), len(bench.notes)
    second = bench.prove()
    assert first.proof == second.proof
    assert [phase.label for phase in second.phases] == [phase.label for phase in first.phases]
    # The sandboxes in which it was made are the first one's, those that asked again are not.
    assert second.phases[:2] == first.phases[:2] and second.phases[2:] != first.phases[2:]
    assert not any("tokenizing" in note for note in bench.notes[notes:])


def test_its_model_is_what_training_finds(benches: Benches) -> None:
    source = changed(**{"return": "assert model.read_bytes() == b'table'\n    return Words()"})
    bench = benches(source, model=b"table")
    proof = bench.prove().proof
    assert proof is not None and not proof.problem
    root = bench.stock.dataset.directory.parent / FOLDER
    (made,) = kept(root)
    assert (made.directory / "tokenizer" / "tokenizer.model").read_bytes() == b"table"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            {"return": "raise RuntimeError('no')"},
            "words:make: cannot be made: the function raises an exception; its traceback is in the "
            "log of this step (its log ends: RuntimeError: no)",
        ),
        ({"return": "return 5"}, "has no methods"),
        ({"top": "import nothing_like_it"}, "cannot be made"),
        ({"return": "return bytearray(1 << 50)"}, "needs more memory to be made"),
        ({"vocabulary_size": "vocabulary_size, bos_id = 1, 0"}, "has no vocabulary_size"),
        ({"vocabulary_size": "vocabulary_size, bos_id = 65_537, 0"}, "has no vocabulary_size"),
        ({"vocabulary_size": "vocabulary_size, bos_id = True, 0"}, "has no vocabulary_size"),
        ({"vocabulary_size": "vocabulary_size = 257"}, "has no bos_id"),
        ({"vocabulary_size": "vocabulary_size, bos_id = 257, 257"}, "has no bos_id"),
        ({"vocabulary_size": "vocabulary_size, bos_id = 257, -1"}, "has no bos_id"),
        ({"vocabulary_size": "vocabulary_size, bos_id = 257, 1.0"}, "has no bos_id"),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    benches: Benches, source: dict[str, str], problem: str
) -> None:
    bench = benches(changed(**source))
    assert problem in bench.problem
    assert not kept(bench.stock.dataset.directory.parent / FOLDER)


# What the sixth validation document alone is answered: 3,000 times the letter x.
SIXTH = "if set(text) == {'x'}:\n    %s\nreturn list(text.encode())"
DECODED = "if set(ids) == {120}:\n    %s\nreturn bytes(ids).decode()"
ENCODING = "words:make: encoding validation document 6: "
DECODING = "words:make: decoding validation document 6: "


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ("raise ValueError", "raises an exception; its traceback is in the log"),
        ("sys.exit(0)", "raises an exception"),
        ("return [999]", "returns id 999, and the vocabulary has 257"),
        ("return [1, -1]", "returns an id below 0 or beyond 65,535"),
        ("return [70_000]", "returns an id below 0 or beyond 65,535"),
        ("return [256]", "returns id 256, its bos_id"),
        ("return [1.5]", "returns something that is no sequence of integers"),
        ("return None", "returns something that is no sequence of integers"),
        ("return text", "returns something that is no sequence of integers"),
        ("return [1] * 6_017", "returns 6,017 ids for 3,000 bytes; at most 6,016 are taken"),
        ("return []", None),
        ("return [120] * 2_999", None),
        ("os._exit(0)", "ends the process that does it (exit code 0)"),
        ("os.kill(os.getpid(), 11)", "ends the process that does it (SIGSEGV)"),
        ("bytearray(1 << 50)", "needs more memory than it may have"),
        ("os.kill(os.getppid(), 9); os._exit(0)", "ends the sandbox: "),
        ("os.write(SOCKET(), b'rubbish' * 9)", "sends what is no answer"),
    ],
)
def test_what_encoding_does_wrong_is_said_with_its_document(
    benches: Benches, does: str, problem: str | None
) -> None:
    top = """
        import os, stat, sys

        def SOCKET():
            for one in range(3, 30):
                try:
                    if stat.S_ISSOCK(os.fstat(one).st_mode):
                        return one
                except OSError:
                    pass
    """
    found = benches(changed(top=top, encode=SIXTH % does)).problem
    if problem is None:
        assert found.startswith(f"{DECODING}does not give it back: ")
    else:
        assert found.startswith(ENCODING) and problem in found
    assert "Traceback" not in found and "\n" not in found


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ("raise ValueError", "raises an exception; its traceback is in the log"),
        ("return None", "returns something that is no str"),
        ("return bytes(ids)", "returns something that is no str"),
        ("return '\\ud800' * 3_000", "returns text with half of a surrogate pair"),
        ("return 'x' * 2_999 + '\\0'", "does not give it back: character 2999 onwards"),
        ("return 'x' * 3_001", "does not give it back: character 3000 onwards"),
        ("return 'x' * 10_000_000", "returns 10,000,000 bytes of text, and the document has 3,000"),
        ("return 'X' + 'x' * 2_999", "does not give it back: character 0 onwards"),
        ("return ''", "does not give it back: character 0 onwards"),
        ("os._exit(3)", "ends the process that does it (exit code 3)"),
    ],
)
def test_what_decoding_does_wrong_is_said_with_its_document(
    benches: Benches, does: str, problem: str
) -> None:
    found = benches(changed(top="import os", decode=DECODED % does)).problem
    assert found.startswith(DECODING) and problem in found


def test_a_text_that_is_no_utf_8_is_no_text_that_it_stands_for(benches: Benches) -> None:
    """A hostile process writes its answer itself: an overlong form of the same character."""
    top = """
        import os, struct

        class Lie(str):
            def encode(self):
                return b"\\xf0\\x81\\x81\\xb8" + b"x" * 2999
    """
    found = benches(changed(top=top, decode=DECODED % "return Lie('x')")).problem
    assert found.startswith(f"{DECODING}does not give it back: character 0")


@pytest.mark.parametrize(
    ("encode", "problem"),
    [
        ("import time\nreturn [time.time_ns() & 255, *text.encode()]", "gives other ids"),
        ("import random\nreturn [random.randrange(256), *text.encode()]", "gives other ids"),
        ("import os\nreturn [os.getpid() & 255, *text.encode()]", "gives other ids"),
    ],
)
def test_what_is_no_function_of_the_text_gives_other_ids_the_second_time(
    benches: Benches, encode: str, problem: str
) -> None:
    source = changed(encode=encode, decode="return bytes(ids[1:]).decode()")
    found = benches(source).problem
    assert problem in found and "document" in found


def test_a_process_for_each_document_forgets_what_an_honest_cache_holds(benches: Benches) -> None:
    top = "SEEN = []\n"
    encode = "SEEN.append(text)\nassert len(SEEN) == 1\nreturn list(text.encode())"
    assert benches(changed(top=top, encode=encode)).problem == ""


def test_another_vocabulary_in_another_sandbox_is_refused(benches: Benches) -> None:
    source = changed(
        top="import os",
        vocabulary_size="vocabulary_size, bos_id = 258 + os.getpid() % 60_000, 256",
    )
    found = benches(source).problem
    assert "says another vocabulary_size or bos_id than in another sandbox" in found


@pytest.mark.long
def test_a_document_that_takes_for_ever_is_named(benches: Benches) -> None:
    bench = benches(changed(top="import time", encode=SIXTH % "time.sleep(600)"))
    bench = bench.allowed(start_seconds=4, encode_seconds_per_mb=1000)
    found = bench.problem
    assert found.startswith(ENCODING)
    assert "gives no answer within" in found or "takes more core seconds" in found


def test_all_that_it_takes_together_is_bounded(benches: Benches) -> None:
    bench = benches(changed(top="import time", encode="time.sleep(3)\nreturn [*text.encode()]"))
    bench = bench.allowed(start_seconds=4, encode_seconds_per_mb=1)
    found = bench.problem
    assert found.startswith("words:make: encoding train document ")
    assert "takes more core seconds than the track gives it" in found


def test_what_it_prints_is_kept_and_bounded(benches: Benches) -> None:
    bench = benches(changed(decode="print('hello \\x1b[31m')\nreturn bytes(ids).decode()"))
    assert bench.problem == ""
    assert "--- decode-validation-1" in bench.log and "hello" in bench.log
    assert "\x1b" not in bench.log


def test_a_proof_of_other_tokens_is_not_taken(benches: Benches) -> None:
    bench = benches()
    proof = bench.prove().proof
    assert proof is not None
    other = proof.model_copy(update={"dataset_digest": "0" * 64})
    facts = SandboxFacts(kind="process")
    with ExitStack() as holds, pytest.raises(InfrastructureError, match="not those that"):
        texts_of_code(bench.coder, bench.entry, facts, bench.stock, other, holds=holds)


def test_a_dataset_that_was_removed_is_made_again_with_the_same_digest(benches: Benches) -> None:
    import shutil

    bench = benches()
    proof = bench.prove().proof
    root: Path = bench.stock.dataset.directory.parent / FOLDER
    shutil.rmtree(root)
    facts = SandboxFacts(kind="process")
    with ExitStack() as holds:
        texts = texts_of_code(bench.coder, bench.entry, facts, bench.stock, proof, holds=holds)
    assert proof is not None and texts.scored.digest == proof.dataset_digest
