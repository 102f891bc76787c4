"""What becomes of a script that is taken over: honest ones answer, others are told apart."""

import base64
import io
import lzma
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.scoring.link import AnswerError, WorkerGone
from tests.inside.upstream.taking_over import ARTIFACT, SCRIPT, STATE, Taken, TakingOver, changed

METHOD = {"how": "method", "method": "forward_logits"}
_ENTERS = "logits.reshape(-1, 13).float(), y.reshape(-1)"
_LITERAL = base64.b85encode(lzma.compress(SCRIPT.encode())).decode()
PACKED = f'import lzma as L,base64 as B\nexec(L.decompress(B.b85decode("{_LITERAL}")))\n'


@pytest.fixture
def take_over(tmp_path: Path) -> TakingOver:
    (tmp_path / "log").touch()
    return TakingOver(tmp_path)


@pytest.mark.parametrize("logits", [{"how": "loss"}, METHOD], ids=["loss", "method"])
def test_the_model_of_the_sealed_artifact_answers(
    take_over: TakingOver, logits: dict[str, str]
) -> None:
    assert take_over(logits=logits).is_right()
    assert "final val_loss" not in take_over.log


def test_the_clock_begins_when_every_worker_has_asked(take_over: TakingOver) -> None:
    slow = changed("    # between", "    import time; time.sleep(0.3); print('slept', flush=True)")
    taken = take_over(slow, workers=2)
    assert taken.is_right()
    (log,) = taken.begun
    assert log.count("slept") == 2
    assert taken.timing is not None and taken.timing.load_seconds < 0.3


@pytest.mark.parametrize(
    "forward",
    [
        pytest.param("return self.forward_logits(x)", id="logits"),
        pytest.param("return self.forward_logits(x).reshape(-1, 13)", id="flat"),
    ],
)
def test_a_forward_that_gives_logits(take_over: TakingOver, forward: str) -> None:
    script = changed(
        "    def forward(self, x, y):\n", f"    def forward(self, x):\n        {forward}\n"
    )
    script = script.replace("model(x, x).item()", "model(x).sum().item()")
    assert take_over(script, logits={"how": "forward"}).is_right()


def test_one_of_several_results(take_over: TakingOver) -> None:
    script = changed("        return self.head(seen)", "        return None, self.head(seen), seen")
    script = script.replace("self.forward_logits(x)\n", "self.forward_logits(x)[1]\n")
    assert take_over(script, logits={**METHOD, "result": 1}).is_right()


def test_raw_logits_are_capped(take_over: TakingOver) -> None:
    taken = take_over(logits={**METHOD, "cap": 0.5})
    assert all(np.abs(each).max() <= 0.5 for each in taken.logits.values())
    assert not taken.is_right()


def test_arguments_are_passed_by_name(take_over: TakingOver) -> None:
    script = changed("def forward_logits(self, x):", "def forward_logits(self, x, *, scale=0.0):")
    script = script.replace("self.head(seen)", "scale * self.head(seen)")
    assert take_over(script, logits={**METHOD, "arguments": {"scale": 1}}).is_right()


def test_a_function_of_the_script_takes_the_model_first(take_over: TakingOver) -> None:
    script = changed(
        "def eval_val",
        "def logits_of(model, x):\n    return model.forward_logits(x)\n\ndef eval_val",
    )
    assert take_over(script, logits={"how": "method", "method": "logits_of"}).is_right()


def test_of_several_heads_the_last_over_all_positions(take_over: TakingOver) -> None:
    script = changed(
        f"        return F.cross_entropy({_ENTERS})",
        "        F.cross_entropy(0 * logits.reshape(-1, 13), y.reshape(-1))\n"
        "        F.cross_entropy(input=logits.reshape(-1, 13), target=y.reshape(-1))\n"
        "        return F.cross_entropy(logits[:, 1:].reshape(-1, 13), y[:, 1:].reshape(-1))",
    )
    assert take_over(script).is_right()


def test_logits_by_class_before_positions(take_over: TakingOver) -> None:
    script = changed(_ENTERS, "logits.transpose(1, 2), y")
    assert take_over(script).is_right()


def test_it_is_asked_as_its_evaluation_would_have_it(take_over: TakingOver) -> None:
    """The mode is set inside of the evaluation, whose first line is never reached."""
    script = changed(
        "return self.head(seen)", "return self.head(seen) * (7.0 if self.training else 1.0)"
    )
    assert take_over(script).is_right()
    same = script.replace("    model.eval()\n", "")
    assert not TakingOver(take_over.folder)(same, seed=2).is_right()


def test_a_packed_script(take_over: TakingOver) -> None:
    assert take_over(PACKED, logits=METHOD).is_right()


def test_a_script_that_imports_its_evaluation(take_over: TakingOver) -> None:
    model, main = SCRIPT.split("def main():")
    script = f"import os, torch\nfrom model import *\n\ndef main():{main}"
    assert take_over(script, imports={"model.py": model}).is_right()


def test_the_script_is_the_program(take_over: TakingOver) -> None:
    script = changed(
        "    # between",
        "    import pickle\n"
        "    assert sys.modules['__main__'].GPT is GPT and __name__ == '__main__'\n"
        "    assert pickle.loads(pickle.dumps(GPT)) is GPT\n"
        "    assert 'class GPT' in Path(__file__).read_text()\n"
        "    assert sys.argv == [__file__] and Path(__file__).parent == Path.cwd()\n"
        "    assert sys.path[0] == str(Path.cwd())\n"
        "    assert os.environ['RANK'] == '0' and os.environ['WORLD_SIZE'] == '1'",
    )
    assert take_over(script).is_right()


@pytest.mark.parametrize(
    "reading",
    [
        "open('final_model.int8.ptz', 'rb').read()",
        "Path('final_model.int8.ptz').read_bytes()",
        "open(os.path.abspath('final_model.int8.ptz'), 'r+b').read()",
        "os.read(os.open(b'final_model.int8.ptz', os.O_RDONLY), 1 << 20)",
    ],
)
def test_however_it_is_opened(take_over: TakingOver, reading: str) -> None:
    script = changed("    # between", f"    assert {reading} == load.__globals__['sealed']()")
    script = script.replace(
        "def main():", f"def sealed():\n    return bytes.fromhex('{ARTIFACT.hex()}')\n\ndef main():"
    )
    assert take_over(script, evaluation={"reads": 2}).is_right()


def test_what_is_written_again_is_replaced_again(take_over: TakingOver) -> None:
    script = changed("    # between", "    load(model); model = GPT(); save(model)")
    assert take_over(script, evaluation={"reads": 2}).is_right()


def test_an_artifact_that_was_never_written_is_read(take_over: TakingOver) -> None:
    assert take_over(changed("    save(model)\n", "")).is_right()


def test_a_name_with_a_part_of_its_own(take_over: TakingOver) -> None:
    script = SCRIPT.replace('"final_model.int8.ptz"', "\"model.%s.ptz\" % os.environ['SEED']")
    assert take_over(script, artifact="model.{seed}.ptz", seed=4).is_right()


def test_weights_of_the_built_model_differ_with_the_seed(take_over: TakingOver) -> None:
    """What the file leaves out stays as the seed made it: two sandboxes disagree."""
    content = io.BytesIO()
    torch.save({name: part for name, part in STATE.items() if name != "head.bias"}, content)
    script = changed("    load(model)\n", "    load(model, strict=False)\n")

    def asked(seed: int) -> Taken:
        return take_over(script, seed=seed, sealed=content.getvalue())

    one, other = asked(1), asked(2)
    assert all(np.abs(one.logits[n] - other.logits[n]).max() > 1e-3 for n in one.logits)


def test_an_evaluation_before_the_artifact_was_read_is_another(take_over: TakingOver) -> None:
    taken = take_over()
    assert taken.is_right()
    assert "step:0/0 val_loss" in taken.begun[0]


def test_replaced_functions_are_not_used(take_over: TakingOver) -> None:
    script = changed(
        "    # between",
        "    os._exit = os.replace = os.getpid = lambda *given: 1 / 0\n"
        "    os.write = os.pread = None",
    )
    assert take_over(script).is_right()


def test_a_fork_is_not_the_script(take_over: TakingOver) -> None:
    script = changed(
        "    # between",
        "    if os.fork() == 0:\n"
        "        load(GPT()); eval_val(None, GPT(), 'cpu'); os._exit(0)\n"
        "    os.wait()",
    )
    assert take_over(script).is_right()


def test_only_the_wanted_reading_counts(take_over: TakingOver) -> None:
    script = changed("    # between", "    load(model); eval_val(None, GPT(), 'cpu')")
    assert take_over(script, evaluation={"reads": 2}).is_right()


def test_another_function_of_the_name_is_not_the_evaluation(take_over: TakingOver) -> None:
    script = changed("    # between", "    import other; load(model); other.eval_val(1, GPT(), 3)")
    other = "def eval_val(args, model, device):\n    return 0\n"
    assert take_over(script, beside={"other.py": other}).is_right()


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        pytest.param(
            changed('    print("final val_loss:%.8f" % eval_val(None, model, "cpu"))\n', ""),
            "without the evaluation",
            "read its artifact 1 times and ended without a call of eval_val",
            id="never evaluates",
        ),
        pytest.param(
            changed('    print("final', '    sys.exit(3)\n    print("final'),
            "without the evaluation",
            "ended at train_gpt.py, line 43 (exit code 3) without a call of eval_val",
            id="exits before",
        ),
        pytest.param(
            SCRIPT.replace("final_model.int8.ptz", "elsewhere.bin"),
            "without reading the artifact",
            "ended without opening final_model.int8.ptz for reading",
            id="another name",
        ),
        pytest.param(
            changed("    # between", "    raise RuntimeError('too large')"),
            "raised an exception before its model",
            "RuntimeError at train_gpt.py, line 41: too large",
            id="raises",
        ),
        pytest.param("def broken(:\n", "raised an exception", "SyntaxError", id="no Python"),
        pytest.param(
            SCRIPT.replace("def eval_val(args, model,", "def eval_val(args, net,").replace(
                "model.eval()\n    x =", "model = net\n    x ="
            ),
            "without the argument",
            "eval_val was called with args, net, device; no argument model",
            id="no argument",
        ),
        pytest.param(
            changed(f"F.cross_entropy({_ENTERS})", "logits.sum()"),
            "the model raised",
            "NoLogitsError: no cross_entropy over [16, vocabulary] was called",
            id="no loss",
        ),
        pytest.param(
            changed(_ENTERS, "logits[:, 1:].reshape(-1, 13), y[:, 1:].reshape(-1)"),
            "the model raised",
            "it was called with [15, 13]",
            id="fewer rows",
        ),
        pytest.param(
            changed("self.head(seen)", "self.head(seen)[..., :12]").replace("-1, 13", "-1, 12"),
            "wrong shape",
            "expected logits (1, 16, 13), got (1, 16, 12)",
            id="fewer ids",
        ),
    ],
)
def test_what_fails_is_said(take_over: TakingOver, script: str, error: str, said: str) -> None:
    with pytest.raises(AnswerError, match=error):
        take_over(script)
    assert said in take_over.log


def test_a_method_that_is_not_there(take_over: TakingOver) -> None:
    with pytest.raises(AnswerError, match="raised an exception before its model"):
        take_over(logits={"how": "method", "method": "get_logits"})
    assert "GPT has no method get_logits" in take_over.log


def test_a_process_that_is_gone(take_over: TakingOver) -> None:
    with pytest.raises(WorkerGone):
        take_over(changed("    # between", "    os._exit(0)"))


def test_forged_messages_are_refused(take_over: TakingOver) -> None:
    """The channel is the process's own; what it says there is compared with what was asked."""
    script = changed(
        "    # between",
        "    import socket\n"
        "    for each in range(3, 30):\n"
        "        try:\n"
        "            socket.socket(fileno=os.dup(each)).sendall(b'x' * 44)\n"
        "        except OSError:\n"
        "            pass",
    )
    with pytest.raises(AnswerError, match=r"not a message|not asked for"):
        take_over(script)
