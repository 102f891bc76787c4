"""One image on several machines: written to a file, loaded again, the same by its id."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InfrastructureError, UsageError
from harness.sandbox.docker.carrying import load, save
from harness.sandbox.docker.engine import Engine
from tests.factories.playground import harness

TAG = "parameter-golf-test:carrying"


@pytest.fixture
def tag() -> Iterator[str]:
    """A tiny image."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        member = tarfile.TarInfo("file")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"bytes"))
    with Engine().connection() as client:
        client.import_image_from_data(
            layer.getvalue(), repository=TAG.partition(":")[0], tag="carrying"
        )
        yield TAG
        client.remove_image(TAG, force=True)


@pytest.mark.docker
def test_a_carried_image_keeps_its_id(tag: str, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    with Engine().connection() as client:
        before = client.inspect_image(tag)["Id"]
        assert save(tag, file) == file.stat().st_size > 0
        client.remove_image(tag, force=True)
        assert load(file) == {tag: before}
        assert client.inspect_image(tag)["Id"] == before


@pytest.mark.docker
def test_an_image_that_is_not_there_or_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"(?i)no such image|does not exist"):
        save("parameter-golf-test:absent", tmp_path / "image.tar")
    assert not (tmp_path / "image.tar").exists()
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "image.tar")
    (tmp_path / "image.tar").write_bytes(b"no archive at all" * 1000)
    with pytest.raises(InfrastructureError):
        load(tmp_path / "image.tar")


@pytest.mark.docker
def test_the_command_refuses_an_image_of_another_harness(tag: str, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    save(tag, file)
    done = harness("image", "--load", file, "--kind", "cuda")
    assert done.code == 3
    assert "not the image for cuda that this harness uses" in done.err


def test_to_load_and_to_build_are_two_things(tmp_path: Path) -> None:
    done = harness("image", "--load", tmp_path / "x", "--force")
    assert done.code == 2
    assert "builds nothing" in done.err
