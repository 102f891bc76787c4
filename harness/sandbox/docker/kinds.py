"""The kinds of image: which entries they are for, and what each is made of."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from harness.contest.entry import Layout
    from harness.contest.track import Track

ImageKind = Literal["cpu", "cuda", "upstream-cpu"]
KINDS: tuple[ImageKind, ...] = get_args(ImageKind)


@dataclass(frozen=True)
class Recipe:
    """What an image of one kind is made of; files are those of ``docker/``.

    ``local_base`` is the base image that ``make-base.sh`` makes, ``public_base`` one that
    registries have, where there is any. ``lacking`` maps what the base must have besides Python to
    why; ``packages`` are those of Debian that add it. ``files`` go into the image as they are.
    ``minutes`` is how long making it takes on two cores, and ``holds`` what it holds, for whoever
    waits.
    """

    kind: ImageKind
    local_base: str
    public_base: str | None
    oldest_python: tuple[int, int]
    dockerfile: str
    requirements: tuple[str, ...]
    lacking: dict[str, str]
    packages: str = ""
    files: tuple[str, ...] = ()
    minutes: str = "two to five minutes"
    holds: str = "1.2 GB"

    @property
    def effort(self) -> str:
        """What making it takes."""
        return f"{self.minutes}, {self.holds}"

    @property
    def usual(self) -> str:
        """How long making it takes, as a sentence."""
        return f"the whole image usually takes {self.minutes}"

    @property
    def python(self) -> str:
        """The oldest Python of its base, as people write it."""
        return ".".join(map(str, self.oldest_python))


_KERNELS = "without which no kernel can be compiled in a sandbox"
_NO_WHEEL = "which no wheel of this image brings"
_RECIPES = (
    Recipe(
        kind="cpu",
        local_base="parameter-golf-base:bookworm",
        public_base="python:3.11-slim-bookworm",
        oldest_python=(3, 11),
        dockerfile="runtime.Dockerfile",
        requirements=("requirements.in",),
        lacking={},
    ),
    Recipe(
        kind="cuda",
        local_base="parameter-golf-base:trixie-cuda",
        public_base="python:3.13-trixie",
        oldest_python=(3, 12),
        dockerfile="runtime.Dockerfile",
        requirements=("requirements.in", "upstream.in"),
        # Triton builds the little program that starts a kernel.
        lacking={"a C compiler": _KERNELS, "Python's headers": _KERNELS},
        packages="g++ python3-dev",
        minutes="ten minutes or more",
        holds="gigabytes of CUDA's libraries",
    ),
    Recipe(
        kind="upstream-cpu",
        local_base="parameter-golf-base:trixie-torch",
        public_base=None,
        oldest_python=(3, 12),
        dockerfile="upstream.Dockerfile",
        requirements=("upstream.in",),
        lacking={"PyTorch": _NO_WHEEL, "NumPy": _NO_WHEEL},
        packages="python3-torch python3-numpy",
        files=("without_libuv.py",),
        minutes="about three minutes",
        holds="1.7 GB",
    ),
)


def recipe_of(kind: ImageKind) -> Recipe:
    """What an image of this kind is made of."""
    return next(recipe for recipe in _RECIPES if recipe.kind == kind)


def kind_for(track: "Track", layout: "Layout") -> ImageKind:
    """The image for entries of this layout on a track, for training and scoring alike.

    The same for both, because the packages at hand decide in which format an artifact is packed.
    """
    if track.hardware.accelerators:
        return "cuda"
    return "upstream-cpu" if layout == "upstream" else "cpu"
