"""Settings that make a script small enough for a machine without accelerators, and its needs."""

import re
import sys
from collections.abc import Mapping

from harness.adopt.reading import Reading
from harness.source_code.values import same_setting

VOCABULARY = 1024
CONTEXT = 128
SELF_GENERATED_CONTEXT = 64
_BATCHES = 8
"""Sequences that a batch must hold: at one process, gradients are accumulated so often."""
MOST_SEQUENCES = 4096
"""A batch of more than this is of tokens, and not of sequences."""
_SMALL = {
    "MODEL_DIM": "64",
    "EMBEDDING_DIM": "64",
    "NUM_HEADS": "2",
    "NUM_KV_HEADS": "1",
    "ITERATIONS": "20",
    "WARMUP_STEPS": "0",
    "VAL_LOSS_EVERY": "0",
    "GPTQ_CALIBRATION_BATCHES": "1",
    "GPTQ_CALIB_BATCHES": "1",
    "GPTQ_NUM_CALIB_BATCHES": "1",
    "GPTQ_RESERVE_SECONDS": "0",
    "TTT_EPOCHS": "1",
    "TTT_BATCH_SIZE": "4",
    "TTT_BATCH_SEQS": "4",
    "TTT_LORA_RANK": "4",
    "TTT_CHUNK_TOKENS": "2048",
    "GLOBAL_TTT_CHUNK_TOKENS": "2048",
    "GLOBAL_TTT_BATCH_SEQS": "4",
    "PHASED_TTT_PREFIX_DOCS": "8",
    "SLIDING_BATCH_SIZE": "32",
}
_LENGTHS = re.compile(r"(?:TRAIN_|EVAL_|TTT_EVAL_|VAL_|MAX_)?SEQ_LEN|ROPE_TRAIN_SEQ_LEN|BLOCK_SIZE")
_STRIDES = re.compile(r"(?:\w*_)?(?:EVAL_STRIDE|SLIDING_EVAL_STRIDE|STRIDE)")
_BATCH_TOKENS = re.compile(r"(?:TRAIN|VAL|EVAL)_BATCH_(?:TOKENS|SIZE)")
_LAYER_LISTS = re.compile(r"\w*LAYERS\w*")
_LAYER_ENDS = re.compile(r"LOOP_END|LOOP_START|REPEAT_END|RECUR_END|RECURRENCE_END")
_GENERATES = re.compile(r"generat\w*calib|autoregressive_calib|self_gen|ar_calib", re.IGNORECASE)
_OURS = frozenset({"torch", "numpy", "__future__"})


def small_env(reading: Reading) -> dict[str, str]:
    """The settings that the script reads, scaled down by the limits that were met."""
    known = reading.flow.read_settings
    env = {name: value for name, value in _SMALL.items() if name in known}
    generates = any(_GENERATES.search(name) for name in reading.flow.shapes.identifiers)
    length = SELF_GENERATED_CONTEXT if generates else CONTEXT
    for name in known:
        if _LENGTHS.fullmatch(name) and _number(reading, name) != 0:
            env[name] = str(length)
        elif _STRIDES.fullmatch(name):
            stride = _number(reading, name)
            if stride and (stride >= length or stride < length // 4):
                env[name] = str(length // 2)
        elif _BATCH_TOKENS.fullmatch(name) and (_number(reading, name) or 0) > MOST_SEQUENCES:
            sequences = _BATCHES if name.startswith("TRAIN") else 4 * _BATCHES
            env[name] = str(length * sequences)
    if "NUM_LAYERS" in known:
        layers = _layers(reading)
        if layers < (_number(reading, "NUM_LAYERS") or layers + 1):
            env["NUM_LAYERS"] = str(layers)
    if "VOCAB_SIZE" in known:
        env["VOCAB_SIZE"] = str(VOCABULARY)
    return dict(sorted(env.items()))


def _number(reading: Reading, name: str) -> int | None:
    """A setting as the script was run."""
    text = reading.env.get(name)
    if text is None:
        _, default = reading.flow.read_settings[name]
        text = str(getattr(default, "value", ""))
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _layers(reading: Reading) -> int:
    """As many layers as the settings name: DDP refuses parameters that are never used."""
    highest = 1
    for name in reading.flow.read_settings:
        text = reading.env.get(name)
        if text is None:
            text = str(getattr(reading.flow.read_settings[name][1], "value", ""))
        if _LAYER_LISTS.fullmatch(name) and re.fullmatch(r"\d{1,3}(?:,\d{1,3})+", text):
            highest = max(highest, *(int(part) for part in text.split(",")))
        elif _LAYER_ENDS.fullmatch(name) and text.isdecimal() and len(text) < 4:
            highest = max(highest, int(text))
    return highest + 1


def packages_of(reading: Reading) -> dict[str, int]:
    """The packages that it imports without a way around, and where; not torch, numpy, its own."""
    found: dict[str, int] = {}
    for module, line, _, guarded in reading.flow.imports:
        top = module.partition(".")[0]
        plain = top and top not in _OURS and top not in sys.stdlib_module_names
        if plain and not guarded and not reading.flow.modules.get(module):
            found.setdefault(top, line)
    return found


def programs_of(reading: Reading) -> dict[str, int]:
    """The programs that it starts, and where."""
    found: dict[str, int] = {}
    for event in reading.flow.events:
        words = event.name.split() if event.doing == "program" else []
        word = words[0].strip("\0").rpartition("/")[2] if words else ""
        if re.fullmatch(r"[A-Za-z][\w.+-]{0,40}", word):
            found.setdefault(word, event.line)
    return found


def package_lines(reading: Reading) -> list[int]:
    """The lines at which it imports those packages."""
    return sorted(set(packages_of(reading).values()))


def program_lines(reading: Reading) -> list[int]:
    """The lines at which it starts those programs."""
    return sorted(set(programs_of(reading).values()))


def differing(env: Mapping[str, str], reading: Reading) -> dict[str, str]:
    """Those settings that the script reads and whose default is another one."""
    result: dict[str, str] = {}
    for name, text in env.items():
        if name not in reading.flow.read_settings:
            continue
        _, default = reading.flow.read_settings[name]
        if not same_setting(text, getattr(default, "value", None)):
            result[name] = text
    return result
