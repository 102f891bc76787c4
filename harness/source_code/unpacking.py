"""Self-extracting scripts, opened without running them.

``exec(lzma.decompress(base64.b85decode("...")))`` and its relatives are evaluated on the syntax
tree: constants, names bound to them, and a few decoders of the standard library. Nothing else that
a script does is carried out here.
"""

import ast
import base64
import binascii
import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

LARGEST_UNPACKED_BYTES = 8 << 20
LARGEST_DICTIONARY_BYTES = 64 << 20
MOST_LAYERS = 4
_MOST_STEPS = 200
_NEEDED = "is packed by {}, a package that is not installed here ({})"
_DEEPEST = 40


class OpaqueError(ValueError):
    """An ``exec`` of something that cannot be determined without running it."""


def unpack(tree: ast.Module) -> list[bytes]:
    """The sources that a script runs by ``exec``, as far as its text alone determines them.

    Raises:
        OpaqueError: it runs something that cannot be determined, or more than the bounds allow.
    """
    evaluator = _Evaluator(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in ("exec", "eval") and node.args:
            try:
                value = evaluator.value(node.args[0], 0)
            except (ValueError, TypeError, EOFError, OverflowError, MemoryError) as error:
                raise OpaqueError(f"line {node.lineno}: {error}") from error
            except (lzma.LZMAError, zlib.error, OSError) as error:
                raise OpaqueError(f"line {node.lineno}: cannot be unpacked: {error}") from error
            source = value.encode() if isinstance(value, str) else value
            if not isinstance(source, bytes):
                raise OpaqueError(f"line {node.lineno}: runs something that is no source text")
            found.append(source)
    return found


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


class _Evaluator:
    def __init__(self, tree: ast.Module) -> None:
        self.modules: dict[str, str] = {}
        self.bound: dict[str, ast.expr] = {}
        self.steps = 0
        for node in tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.modules[alias.asname or alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self.modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                if isinstance(target, ast.Name):
                    self.bound[target.id] = node.value

    def value(self, node: ast.expr, depth: int) -> Any:
        self.steps += 1
        if depth > _DEEPEST or self.steps > _MOST_STEPS:
            raise ValueError("too deep to be unpacked here")
        deeper = depth + 1
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name) and node.id in self.bound:
            return self.value(self.bound[node.id], deeper)
        if isinstance(node, ast.Call):
            return self.call(node, deeper)
        return self.composed(node, deeper)

    def composed(self, node: ast.expr, depth: int) -> Any:
        if isinstance(node, ast.List | ast.Tuple):
            return [self.value(item, depth) for item in node.elts]
        if isinstance(node, ast.Dict) and all(node.keys):
            keys = [self.value(key, depth) for key in node.keys if key is not None]
            return dict(zip(keys, [self.value(v, depth) for v in node.values], strict=True))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _bounded(self.value(node.left, depth) + self.value(node.right, depth))
        if isinstance(node, ast.Attribute | ast.Name):
            name = self.dotted(node)
            if name.startswith("lzma.") and name[5:].isupper():
                return getattr(lzma, name[5:])
        raise ValueError("runs something that only running it would tell")

    def call(self, node: ast.Call, depth: int) -> Any:
        if any(isinstance(a, ast.Starred) for a in node.args) or not all(
            k.arg for k in node.keywords
        ):
            raise ValueError("calls with unpacked arguments")
        name = self.dotted(node.func)
        arguments = [self.value(argument, depth) for argument in node.args]
        options = {k.arg: self.value(k.value, depth) for k in node.keywords if k.arg}
        if name == "compile" and arguments:
            return arguments[0]
        decoder = _DECODERS.get(name)
        if decoder:
            return _bounded(decoder(*arguments, **options))
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            owner = self.value(node.func.value, depth)
            if not isinstance(owner, str | bytes):
                raise ValueError("a method of something that is no text")
            return _bounded(_METHODS[node.func.attr](owner, *arguments))
        raise ValueError(f"calls {name or 'something'}, which is not done here")

    def dotted(self, node: ast.expr) -> str:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Call) and _called(node) == "__import__" and node.args:
            first = node.args[0]
            root = first.value if isinstance(first, ast.Constant) else ""
        elif isinstance(node, ast.Call) and parts and not node.args and not node.keywords:
            root = self.dotted(node.func)  # of an object with a method: ZstdDecompressor()
        elif isinstance(node, ast.Name):
            root = self.modules.get(node.id, node.id)
        else:
            return ""
        return ".".join([str(root), *reversed(parts)])


def _bounded(value: Any) -> Any:
    if isinstance(value, str | bytes) and len(value) > LARGEST_UNPACKED_BYTES:
        raise ValueError(f"unpacks to more than {LARGEST_UNPACKED_BYTES:,} bytes")
    return value


def _inflate(content: bytes, wbits: int = zlib.MAX_WBITS) -> bytes:
    engine = zlib.decompressobj(wbits)
    return _finished(engine.decompress(content, LARGEST_UNPACKED_BYTES + 1))


def _gunzip(content: bytes) -> bytes:
    return _inflate(content, 16 + zlib.MAX_WBITS)


def _bunzip(content: bytes) -> bytes:
    return _finished(bz2.BZ2Decompressor().decompress(content, LARGEST_UNPACKED_BYTES + 1))


def _unxz(
    content: bytes,
    format: int = lzma.FORMAT_AUTO,
    memlimit: int | None = None,
    filters: list[dict[str, Any]] | None = None,
) -> bytes:
    if filters is not None:
        sizes = [entry.get("dict_size", 0) for entry in filters if isinstance(entry, dict)]
        if any(not isinstance(size, int) or size > LARGEST_DICTIONARY_BYTES for size in sizes):
            raise ValueError("asks for a dictionary larger than is allowed here")
    limit = None if format == lzma.FORMAT_RAW else 4 * LARGEST_DICTIONARY_BYTES
    engine = lzma.LZMADecompressor(format=format, memlimit=limit, filters=filters)
    return _finished(engine.decompress(content, LARGEST_UNPACKED_BYTES + 1))


def _unbrotli(content: bytes) -> bytes:
    try:
        import brotli  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ValueError(_NEEDED.format("brotli", "pip install brotli")) from error
    engine = brotli.Decompressor()
    try:
        first = engine.process(content, output_buffer_limit=LARGEST_UNPACKED_BYTES + 1)
    except TypeError as error:  # older ones cannot be bounded
        raise ValueError(_NEEDED.format("brotli 1.2", "pip install -U brotli")) from error
    except brotli.error as error:
        raise ValueError(f"cannot be unpacked: {error}") from error
    return _finished(bytes(first))


def _unzstd(content: bytes) -> bytes:
    try:
        import zstandard
    except ImportError as error:
        raise ValueError(_NEEDED.format("zstandard", "pip install zstandard")) from error
    try:
        with zstandard.ZstdDecompressor().stream_reader(content) as reader:
            return _finished(reader.read(LARGEST_UNPACKED_BYTES + 1))
    except zstandard.ZstdError as error:
        raise ValueError(f"cannot be unpacked: {error}") from error


def _finished(content: bytes) -> bytes:
    _bounded(content)
    return content


def _fromhex(text: str) -> bytes:
    return bytes.fromhex(text)


def _replaced(text: Any, old: Any, new: Any) -> Any:
    grown = len(text) + text.count(old) * max(len(new) - len(old), 0)
    if grown > LARGEST_UNPACKED_BYTES:
        raise ValueError(f"grows to more than {LARGEST_UNPACKED_BYTES:,} bytes")
    return text.replace(old, new)


_DECODERS: dict[str, Callable[..., Any]] = {
    "base64.b64decode": base64.b64decode,
    "base64.standard_b64decode": base64.standard_b64decode,
    "base64.urlsafe_b64decode": base64.urlsafe_b64decode,
    "base64.b85decode": base64.b85decode,
    "base64.a85decode": base64.a85decode,
    "base64.b32decode": base64.b32decode,
    "base64.b16decode": base64.b16decode,
    "base64.decodebytes": base64.decodebytes,
    "binascii.unhexlify": binascii.unhexlify,
    "binascii.a2b_base64": binascii.a2b_base64,
    "bytes.fromhex": _fromhex,
    "zlib.decompress": _inflate,
    "gzip.decompress": _gunzip,
    "bz2.decompress": _bunzip,
    "lzma.decompress": _unxz,
    "brotli.decompress": _unbrotli,
    "zstandard.decompress": _unzstd,
    "zstandard.ZstdDecompressor.decompress": _unzstd,
}
_METHODS: dict[str, Callable[..., Any]] = {
    "decode": lambda text, *how: text.decode(*how),
    "encode": lambda text, *how: text.encode(*how),
    "strip": lambda text, *what: text.strip(*what),
    "replace": _replaced,
}
