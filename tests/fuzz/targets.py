"""Everything that reads what a stranger wrote, each with honest inputs to start from."""

import io
import json
import shutil
import socket
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.errors import HarnessError
from tests.factories.playground import BIGRAM, ROOT
from tests.fuzz import evidence, exhibits, own_tokenizers, records

_BASELINE = ROOT / "submissions/naive_baseline"


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        feed: parses content; gets a scratch directory that outlives the call.
        seeds: honest inputs, each of which it must take.
        refusals: what it may raise.
        may_crash: whether native code reads the bytes, so that the culprit must be told first.
        cost: how many inputs of a cheap parser one of this takes as long as.
    """

    name: str
    feed: Callable[[bytes, Path], object]
    seeds: Callable[[], tuple[bytes, ...]]
    refusals: tuple[type[BaseException], ...] = (HarnessError,)
    may_crash: bool = False
    cost: int = 1


def _submission_with(name: str) -> Callable[[bytes, Path], object]:
    def feed(content: bytes, scratch: Path) -> None:
        from harness.contest.loading import load_submission
        from harness.contest.track import load_track
        from harness.gate.precheck import precheck

        folder = scratch / "submission"
        if not folder.exists():
            shutil.copytree(BIGRAM, folder, ignore=shutil.ignore_patterns("__pycache__"))
            (folder / "submission.json").write_bytes(_claims()[0])
        (folder / name).write_bytes(content)
        precheck(load_submission(folder), load_track("smoke"))

    return feed


def _claims() -> tuple[bytes, ...]:
    return ((_BASELINE / "submission.json").read_bytes(), b'{"val_bpb": 1.2, "bytes_total": 1}')


def _track(content: bytes, scratch: Path) -> None:
    from harness.contest.track import load_track

    path = scratch / "track.toml"
    path.write_bytes(content)
    load_track(str(path))


def _train_log(content: bytes, scratch: Path) -> None:
    from harness.upstream.logs.timeline import timeline

    path = scratch / "train.log"
    path.write_bytes(content)
    timeline(path, total_seconds=20.0)


def _growing_log(content: bytes, scratch: Path) -> None:
    """Read as it grows, in two pieces, and asked for all that a display shows of it."""
    from harness.report.growing_log import GrowingLog

    path, now = scratch / "growing.log", [0.0]
    log = GrowingLog(path, clock=lambda: now[0])
    for end in (len(content) // 2, len(content)):
        path.write_bytes(content[:end])
        now[0] += 1e6
        log.look()
        log.curve(40)
        log.steps(5.0, 20.0)
        log.steps(5.0, None)


def _audits(content: bytes, scratch: Path) -> None:
    from harness.report.html.page import render_page
    from harness.report.site.lists import audits_page
    from harness.report.site.single import audit_page
    from harness.report.site.source import read_audits

    path = scratch / "audits.json"
    path.write_bytes(content)
    for page in (audits_page(found := read_audits(path)), *map(audit_page, found[:3])):
        render_page(page)


def _kept_audits() -> tuple[bytes, ...]:
    from harness.audit.many import audit_records, order_of
    from harness.contest.track import load_track

    order = order_of(load_track("smoke"), policies="strict", compare=False, against="1.2")
    folders = [ROOT / "tests/upstream_entries" / name for name in ("gptq_ema", "broken/only_notes")]
    found = [one for each in folders for (one,) in audit_records([each], order, workers=1)]
    return tuple(audit.model_dump_json().encode() for audit in found)


def _train_logs() -> tuple[bytes, ...]:
    lines = "0.100 hello\n1.500 warmup_step:1/20\n2.000 step:1/500 train_loss:6.9 train_time:12ms\n"
    later = (
        "9.000 step:500/500 val_loss:2.0 val_bpb:1.2 train_time:9001ms\n9.500 serialized model\n"
    )
    return (lines.encode(), (lines + later).encode())


def _shard(content: bytes, scratch: Path) -> None:
    from harness.data.format.shards import read_shard

    path = scratch / "shard.bin"
    path.write_bytes(content)
    tokens = read_shard(path, vocabulary_size=1024)
    assert int(np.asarray(tokens).max(initial=0)) < 1024


def _shards() -> tuple[bytes, ...]:
    header = np.zeros(256, dtype="<i4")
    header[:3] = (20240520, 1, 300)
    return (header.tobytes() + np.arange(300, dtype="<u2").tobytes(),)


def _dataset_manifest(content: bytes, scratch: Path) -> None:
    from harness.data.format.manifest import load_manifest

    path = scratch / "manifest.json"
    path.write_bytes(content)
    load_manifest(path)


def _dataset_manifests() -> tuple[bytes, ...]:
    from harness.data.build.building import build_dataset
    from harness.data.format.tokenizers import train_bpe

    texts = [f"document {number} says {number * number}" for number in range(200)]
    with TemporaryDirectory() as place:
        built = Path(place) / "toy"
        build_dataset(texts, texts[:5], train_bpe(texts, vocabulary_size=300), built, source="toy")
        return ((built / "manifest.json").read_bytes(),)


def _tensor_list(content: bytes, scratch: Path) -> None:
    from harness.run.inspect_artifact import _tensors

    _tensors("model:describe", content)


def _tensor_lists() -> tuple[bytes, ...]:
    tensor = {
        "name": "blocks.0.mlp.fc", "shape": [64, 32], "stored": "int6", "bits_per_weight": 6.5,
        "bytes": 1664, "compressed_bytes": 1500, "control": False, "rms_error": 0.01,
    }  # fmt: skip
    return (json.dumps([tensor]).encode(), b"[]")


def _worker_messages(content: bytes, scratch: Path) -> None:
    """What a worker sends: READY, answers to two requests, and then whatever it likes."""
    from harness.scoring.link import Link, WorkerGone
    from harness.scoring.schedules.corpus import WindowPlan
    from harness.scoring.schedules.plan import Room, Slot

    ours, theirs = socket.socketpair()
    theirs.sendall(content[: 1 << 14])
    theirs.shutdown(socket.SHUT_WR)
    link = Link(ours, slot=Slot(tokens=2 * 8, positions=2 * 8), vocabulary_size=5)
    stream = np.zeros(17, dtype=np.uint16)
    [(ask, _)] = WindowPlan(17, 8, 8).placed(np.arange(2), room=Room(2 * 8, 5))
    try:
        link.wait_ready(lambda: True)
        for serial in range(2):
            request = link.send(ask, ask.tokens(stream), serial=serial, slot=serial)
            link.receive(request, lambda: True)
    except WorkerGone:
        return
    finally:
        link.close()
        theirs.close()


def _messages() -> tuple[bytes, ...]:
    from harness.inside import worker as wire

    replies = [
        wire.Message(
            wire.REPLY, vocabulary=5, serial=serial, slot=serial, windows=2, length=8, dtype=2
        )
        for serial in range(2)
    ]
    return (b"".join(message.pack() for message in (wire.Message(wire.READY), *replies)),)


def _codec_answers(content: bytes, scratch: Path) -> None:
    """What a codec sends: READY, and answers about two documents."""
    from harness.inside import codec as wire
    from harness.run.codec.documents import CodecError, Document
    from harness.run.codec.talk import Conversation
    from harness.scoring.channel import Channel
    from harness.scoring.link import WorkerGone

    ours, theirs = socket.socketpair()
    theirs.sendall(content[: 1 << 14])
    theirs.shutdown(socket.SHUT_WR)

    class OneConnection(Channel):
        def accept(self, alive: Callable[[], bool]) -> socket.socket:
            return ours

    lot = [Document("validation", number, b"abc", 3) for number in (1, 2)]
    try:
        with (
            OneConnection() as channel,
            Conversation(channel, servers=1, alive=lambda: True) as conversation,
        ):
            conversation.ask(
                wire.ENCODE,
                iter([lot]),
                ahead=1,
                patience_seconds=lambda document: 60,
                answered=lambda document, ids: None,
            )
    except (CodecError, WorkerGone):
        return
    finally:
        theirs.close()


def _answers() -> tuple[bytes, ...]:
    from harness.inside import codec as wire

    ready = wire.READY.pack(wire.MAGIC, wire.OK, 300, 256)
    ids = (wire.ANSWER.pack(wire.MAGIC, place, wire.OK, 4) + b"\1\0\2\0" for place in range(2))
    died = wire.ANSWER.pack(wire.MAGIC, 0, wire.DIED, 9) + b"signal 11"
    return ready + b"".join(ids), ready + died


def _archive(content: bytes, scratch: Path) -> None:
    """The tar stream in which the engine hands over the output directory's file."""
    from harness.sandbox.docker.archive import _Chunks
    from harness.sandbox.protocol import require_plain_path
    from harness.sandbox.sealing import copy_hashed, require_size

    pieces = iter([content[start : start + 700] for start in range(0, len(content), 700)])
    reader = io.BufferedReader(_Chunks(pieces), 700)
    with tarfile.open(fileobj=reader, mode="r|", bufsize=700) as archive:
        member = archive.next()
        if member is None or not member.isreg():
            return
        require_plain_path("model.bin")
        require_size("model.bin", member.size, limit_bytes=1 << 20)
        file = archive.extractfile(member)
        assert file is not None
        chunks = iter(lambda: file.read(500), b"")
        copy_hashed(chunks, scratch / "model.bin", name="model.bin", size_bytes=member.size)


def _archives() -> tuple[bytes, ...]:
    made = []
    for kind in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        place = io.BytesIO()
        with tarfile.open(fileobj=place, mode="w", format=kind) as archive:
            member = tarfile.TarInfo("model.bin" if kind != tarfile.PAX_FORMAT else "é" * 120)
            member.size = 3000
            archive.addfile(member, io.BytesIO(bytes(range(250)) * 12))
        made.append(place.getvalue())
    return tuple(made)


def _log_line(content: bytes, scratch: Path) -> None:
    from harness.safeio.text import plain_line
    from harness.sandbox.logs import LINE_CHARACTERS

    line = plain_line(content, LINE_CHARACTERS)
    assert line.isprintable(), line


TARGETS = (
    Target("submission.toml", _submission_with("submission.toml"),
           lambda: tuple((place / "submission.toml").read_bytes() for place in (BIGRAM,))),
    Target("submission.json", _submission_with("submission.json"), _claims),
    Target("loader module", _submission_with("bigram.py"),
           lambda: ((BIGRAM / "bigram.py").read_bytes(),)),
    Target("track", _track, lambda: tuple(
        path.read_bytes() for path in (ROOT / "harness/contest/tracks").glob("*.toml"))),
    Target("train log", _train_log, _train_logs),
    Target("growing log", _growing_log, _train_logs),
    Target("log line", _log_line, _train_logs),
    Target("audits", _audits, _kept_audits, cost=4),
    Target("shard", _shard, _shards),
    Target("dataset manifest", _dataset_manifest, _dataset_manifests),
    Target("tensor description", _tensor_list, _tensor_lists),
    Target("worker messages", _worker_messages, _messages),
    Target("codec answers", _codec_answers, _answers),
    Target("artifact archive", _archive, _archives, (HarnessError, tarfile.TarError)),
    Target("plan", evidence.fixed_plan, evidence.plans),
    Target("evidence", evidence.run, evidence.runs, cost=4),
    Target("decision", evidence.decision, evidence.decisions, cost=4),
    Target("record's log", records.audit_with("train_seed42.log"), records.logs),
    Target("record's claims", records.audit_with("submission.json"), records.claims),
    Target("record's script", records.audit_with("train_gpt.py"), records.scripts),
    Target("record's readme", records.audit_with("README.md"), records.readmes),
    Target("record's listing", records.audit_with("MANIFEST.json"), records.listings),
    Target("verdict", records.verdict_file, records.verdicts),
    Target("hub's catalog", records.catalog, records.catalogs),
    Target("leaderboard", records.leaderboard,
           lambda: ((ROOT / "leaderboard.json").read_bytes(),
                    (ROOT / "tests/ledger/formats/with_tries.json").read_bytes())),
    Target("artifact's tensors", exhibits.weights, exhibits.artifacts),
    Target("training curve", exhibits.curve, _train_logs),
    Target("inspection", exhibits.inspection, exhibits.inspections),
    Target("tokenizer model", own_tokenizers.tokenizer_model, own_tokenizers.models, cost=20),
)  # fmt: skip
