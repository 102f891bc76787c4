"""What other programs may import from ``harness``, and what that costs them."""

import subprocess
import sys

import harness


def test_all_that_is_public_is_there_and_nothing_else() -> None:
    for name in harness.__all__:
        assert callable(getattr(harness, name))
    assert set(harness._WHERE) == set(harness.__all__)
    assert not hasattr(harness, "torch")


def test_who_reads_a_verdict_does_not_wait_for_torch_or_docker() -> None:
    program = (
        "import sys, harness; harness.read_verdict; harness.render_text; "
        "print({'torch', 'docker', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()", done.stderr
