"""What accelerators did while a step ran, moment by moment: ``<step>.telemetry.npz``.

NumPy's own format, without a pickle: ``seconds`` float32[S] since sampling began, ``uuids``
text[G], and one int32[S, G] for each column, -1 where the driver had no value.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

COLUMNS = (
    "sm_mhz",
    "memory_mhz",
    "milliwatts",
    "limit_milliwatts",
    "celsius",
    "busy_percent",
    "reasons",
)
"""``reasons`` are NVML's bits for lower clocks (``nvmlClocksEventReason...``)."""
LARGEST_BYTES = 64 << 20
_MOST_DEVICES = 1024
_LONGEST_UUID = 100


class NotTelemetryError(ValueError):
    """Bytes that are no such file; the text says why."""


@dataclass(frozen=True)
class Curves:
    """``seconds`` float32[S], and of each device of ``uuids`` every column, int32[S, G]."""

    uuids: tuple[str, ...]
    seconds: npt.NDArray[np.float32]
    columns: dict[str, npt.NDArray[np.int32]]

    def to_bytes(self) -> bytes:
        """As a file holds them."""
        content = io.BytesIO()
        np.savez_compressed(
            content,
            allow_pickle=False,
            seconds=self.seconds,
            uuids=np.array(self.uuids, dtype=f"<U{_LONGEST_UUID}"),
            **self.columns,
        )
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Curves":
        """What a file holds.

        Raises:
            NotTelemetryError: it is not such a file.
        """
        try:
            arrays = _arrays(content)
            uuids = tuple(str(uuid) for uuid in arrays.pop("uuids"))
            seconds = arrays.pop("seconds")
        except (
            *(ValueError, TypeError, LookupError, ArithmeticError, OSError, EOFError, SyntaxError),
            *(MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error),
        ) as error:
            raise NotTelemetryError(f"not NumPy's arrays: {error}") from error
        shape = (len(seconds), len(uuids)) if seconds.ndim == 1 else ()
        whole = len(uuids) <= _MOST_DEVICES and seconds.dtype == np.float32
        whole = whole and bool(np.isfinite(seconds).all())
        for name in COLUMNS:
            column = arrays.get(name)
            if column is None or column.dtype != np.int32 or column.shape != shape:
                raise NotTelemetryError(f"{name}: expected int32{list(shape)}")
        if not whole:
            raise NotTelemetryError("seconds: expected float32[S], all of them finite")
        return cls(uuids, seconds, {name: arrays[name] for name in COLUMNS})


def _arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_BYTES:
            raise ValueError("too large")
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return {name: kept[name] for name in ("uuids", "seconds", *COLUMNS)}
