"""Runs an unchanged script in upstream's layout up to its evaluation, and answers there for it.

The script trains nothing: its settings say so. When it opens its artifact for reading, the harness
is asked for the sealed one, which lies there before the file is opened. When it then calls its
evaluation, the model that it passes is asked for logits until the harness has enough, and the
process ends. So all that the script built around its model stays as it is: process groups, caches,
flags.

This runs in the script's own process, which can see all of it and break it. That gains it nothing:
it is given no target, no later text, no network, and no file but the sealed one.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, NamedTuple, NoReturn

# Scripts replace things; what is used after their first line is taken before it.
_exit, _replace, _getpid = os._exit, os.replace, os.getpid
_open, _close, _read, _write = os.open, os.close, os.pread, os.write
_HERE = Path(__file__).resolve().parent
_CHUNK = 1 << 20
_MONITOR = 4
_MISSING = object()


class Settings(NamedTuple):
    """What the bridge says of a script, and the harness adds: JSON in ``--settings``.

    ``artifact`` and ``others`` are patterns for the end of a path, ``modules`` names of modules
    whose ``evaluation`` is meant, besides the script itself. ``drive``: that is a loop which is
    driven, with these settings of its own.
    """

    script: str
    arguments: list[str]
    how: str
    name: str
    artifact: str
    others: list[str]
    evaluation: str
    model: str
    reads: int
    modules: list[str]
    logits: dict[str, Any]
    drive: dict[str, Any] | None = None


def main() -> int:
    """Take a script over. Started by the harness; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", required=True, type=Path, help="the harness's worker.py")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--settings", required=True, help="JSON")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.index is None:
        return _fan_out(options)
    worker = _load(options.worker, "_harness_worker")
    settings = Settings(**json.loads(options.settings))
    connection = worker.connect(options.socket)
    make_world(settings, options)
    TakeOver(settings, worker, connection).run()


def _fan_out(options: argparse.Namespace) -> int:
    """Launch one process for each device, in a copy of the code that is its own."""
    stand_in = ["--cpu"] if options.device == "cpu" else []
    children, port = [], str(_free_port())
    for index in range(options.workers):
        place = tempfile.mkdtemp(prefix="world-")
        command = [sys.executable, str(_HERE / "launch.py"), "--work", place, *stand_in, "--"]
        command += [sys.executable, __file__, *sys.argv[1:], "--index", str(index), "--port", port]
        children.append(subprocess.Popen(command))
    return max(child.wait() for child in children)


def _load(path: Path, name: str) -> ModuleType:
    """A file of ours, under a name that no script imports."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # noqa: S101 - it is a file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_world(settings: Settings, options: argparse.Namespace) -> None:
    """Make this process the only rank of a world of its own, or one of all workers.

    A loop that is driven has all of them, as when it ran by itself: it shares its learning among
    them. Each sees one device, as number 0, whatever the script takes its number from.
    """
    if options.device == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = str(options.index)
    ranks = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    for name in ranks:
        os.environ.pop(name, None)
    if settings.how == "torchrun":
        rank, count, port = "0", "1", str(_free_port())
        if settings.drive is not None and options.workers > 1:
            rank, count, port = str(options.index), str(options.workers), str(options.port)
        values = (rank, "0", count, "1", "127.0.0.1", port)
        os.environ.update(zip(ranks, values, strict=True))
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", "lo")  # the one that a sandbox has


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class TakeOver:
    """One script on its way to its evaluation."""

    def __init__(self, settings: Settings, worker: ModuleType, connection: Any) -> None:
        self.settings, self.worker, self.connection = settings, worker, connection
        self.asking = _load(_HERE / "script_model.py", "_harness_script_model")
        self.sealed = -1
        self.reads = 0
        self._artifact = re.compile(settings.artifact)
        self._others = [re.compile(pattern) for pattern in settings.others]
        self._lock = threading.RLock()
        self._place = Path.cwd()
        self._process = _getpid()

    def run(self) -> NoReturn:
        """Run the script as ``__main__`` until it is taken over, or has ended."""
        script = self._place / self.settings.script
        main = ModuleType("__main__")
        main.__dict__.update(__file__=str(script), __builtins__=__builtins__)
        sys.modules["__main__"] = main
        sys.argv = [str(script), *self.settings.arguments]
        sys.path[0] = str(script.parent)
        sys.addaudithook(self._audit)
        try:
            code = compile(script.read_bytes(), str(script), "exec", dont_inherit=True)
            exec(code, main.__dict__)  # noqa: S102 - what this is for
        except SystemExit as error:
            self._ended(f" at {self._where(error)} (exit code {error.code!r})")
        # Whatever a script raises, the harness must receive it as an answer.
        except BaseException as error:  # noqa: BLE001
            traceback.print_exc()
            said = f"{type(error).__name__} at {self._where(error)}: {str(error)[:200]}"
            self.fail(self.worker.SCRIPT_FAILED, f"the script raised {said}")
        self._ended("")

    def fail(self, status: int, sentence: str) -> NoReturn:
        """Say why there will be no model, in the log and on the channel, and end."""
        with contextlib.suppress(Exception):
            print(f"take over: {sentence}", file=sys.__stderr__, flush=True)
            message = self.worker.Message(self.worker.READY, status=status)
            self.connection.channel.sendall(message.pack())
        self._leave(1)

    def _ended(self, where: str) -> NoReturn:
        wanted = self.settings
        if not self.reads:
            said = f"the script ended{where} without opening {wanted.name} for reading"
            self.fail(self.worker.NEVER_READ, said)
        said = f"read its artifact {self.reads} times and ended{where} without a call of "
        after = f" after {wanted.reads} readings" if self.reads < wanted.reads else ""
        self.fail(self.worker.NEVER_CALLED, f"the script {said}{wanted.evaluation}{after}")

    def _where(self, error: BaseException) -> str:
        """The last line of the script, or of a file beside it, that an exception passed."""
        found, trace = "its last line", error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if file.startswith((str(self._place), "<string>")):
                found = f"{Path(file).name}, line {trace.tb_lineno}"
            trace = trace.tb_next
        return found

    @staticmethod
    def _leave(code: int) -> NoReturn:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        _exit(code)

    # The artifact.

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or _getpid() != self._process:
            return
        path, _, flags = arguments
        if not isinstance(path, (str, bytes, os.PathLike)) or not isinstance(flags, int):
            return
        # Opening for writing alone, or with what was there thrown away, reads nothing.
        if flags & os.O_ACCMODE == os.O_WRONLY or flags & os.O_TRUNC:
            return
        with self._lock:
            name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a link keeps its name
            if self._artifact.search(name):
                self._put(name)
                self.reads += 1
                if self.reads == self.settings.reads:
                    self._watch()
            elif any(pattern.search(name) for pattern in self._others):
                print(f"take over: the script opens {Path(name).name} for reading", flush=True)

    def _put(self, name: str) -> None:
        """Put the sealed artifact where the script will find it."""
        if self.sealed < 0:
            channel = self.connection.channel
            channel.sendall(self.worker.Message(self.worker.DEMAND).pack())
            content, descriptors = self.worker.receive_descriptors(channel)
            message = self.worker.Message.unpack(content) if content else None
            if message != self.worker.Message(self.worker.SEALED) or len(descriptors) != 1:
                self._leave(1)
            (self.sealed,) = descriptors
        beside = f"{name}.sealed"
        copy = _open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        at = 0
        while chunk := _read(self.sealed, _CHUNK, at):
            at += _write(copy, chunk)
        _close(copy)
        _replace(beside, name)

    # The evaluation.

    def _watch(self) -> None:
        """Look at every call from now on; nothing was looked at before."""
        if sys.version_info < (3, 12):
            sys.setprofile(self._profile)
            return
        monitoring = sys.monitoring
        started = monitoring.events.PY_START
        monitoring.use_tool_id(_MONITOR, "take over")
        monitoring.register_callback(_MONITOR, started, self._started)
        monitoring.set_events(_MONITOR, started)

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and self._is_evaluation(frame):
            sys.setprofile(None)
            self._take(frame)

    def _started(self, code: CodeType, offset: int) -> object:
        if code.co_name != self.settings.evaluation:
            return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]
        frame = sys._getframe(1)
        if self._is_evaluation(frame):
            sys.monitoring.free_tool_id(_MONITOR)  # type: ignore[attr-defined, unused-ignore]
            self._take(frame)
        return None

    def _is_evaluation(self, frame: FrameType) -> bool:
        if frame.f_code.co_name != self.settings.evaluation or _getpid() != self._process:
            return False
        return frame.f_globals.get("__name__") in ("__main__", *self.settings.modules)

    def _take(self, frame: FrameType) -> NoReturn:
        if self.settings.drive is not None:
            self._drive(frame, self.settings.drive)
        try:
            given = frame.f_locals.get(self.settings.model, _MISSING)
            if given is _MISSING:
                names = ", ".join(list(frame.f_locals)[:20])
                said = f"{self.settings.evaluation} was called with {names}"
                self.fail(self.worker.NO_MODEL, f"{said}; no argument {self.settings.model}")
            model = self.asking.unwrapped(given)
            # The evaluation would do it, and often is the only one who does.
            if "eval" in frame.f_code.co_names and callable(getattr(model, "eval", None)):
                model.eval()
            asked = self._asked_of(model, frame)
            self.worker.answer(self.connection, asked, self.asking.device_of(model))
        except BaseException as error:  # noqa: BLE001 - as in run
            traceback.print_exc()
            said = f"{type(error).__name__}: {str(error)[:200]}"
            self.fail(self.worker.SCRIPT_FAILED, f"the model could not be asked: {said}")
        self._leave(0)

    def _asked_of(self, model: Any, frame: FrameType) -> Any:
        names, logits = dict(frame.f_locals), self.settings.logits
        divisor = logits.get("temperature") or ""
        if self.settings.drive is not None and divisor.partition(".")[0] not in names:
            logits = {**logits, "temperature": None}  # the loop is another function
        return self.asking.Asked(model, logits, frame.f_globals, names)

    def _drive(self, frame: FrameType, said: dict[str, Any]) -> NoReturn:
        driving = _load(_HERE / "drive.py", "_harness_drive")
        tokens = _load(_HERE / "told_tokens.py", "_harness_told_tokens")

        def answer(driven: Any, model: Any) -> NoReturn:
            self.worker.answer(self.connection, driven, self.asking.device_of(model))
            self._leave(0)

        driving.drive(
            frame,
            driving.Driving(**said),
            model_name=self.settings.model,
            telling_of=partial(tokens.Telling, where=partial(tokens.script_line, str(self._place))),
            asked_of=lambda model: self._asked_of(model, frame),
            unwrapped=self.asking.unwrapped,
            answer=answer,
            failed=partial(self.fail, self.worker.NOT_DRIVEN),
            where=self._where,
        )
        self._leave(1)


if __name__ == "__main__":
    sys.exit(main())
