"""The paths under which a sandbox shows our files."""

from pathlib import PurePosixPath

CODE = PurePosixPath("/submission")
DATA = PurePosixPath("/data")
TOKENIZER = PurePosixPath("/tokenizer")
ARTIFACT = PurePosixPath("/artifact")
CHECKPOINT = PurePosixPath("/checkpoint")
CHANNEL = PurePosixPath("/channel")
UPSTREAM = PurePosixPath("/upstream")
