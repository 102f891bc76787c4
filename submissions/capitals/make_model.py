"""Train ``words.model`` on the train documents of a dataset: ``make_model.py DOCS_TRAIN_JSONL``.

Not listed in ``[code]``, so neither mounted nor counted.
"""

import io
import json
import sys
from pathlib import Path

from sentencepiece import SentencePieceTrainer
from words import OPERATORS, Capitals


def main() -> None:
    """The same documents give the same bytes: a single thread fixes the order of everything."""
    lines = Path(sys.argv[1]).read_text().splitlines()
    capitals = Capitals()
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(capitals.without(json.loads(line)["text"]) for line in lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=1024,
        byte_fallback=True,
        user_defined_symbols=list(OPERATORS),
        # As the dataset's own: nothing is normalized, and white space may form pieces.
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        max_sentence_length=1 << 24,
        num_threads=1,
        minloglevel=2,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
    )
    (Path(__file__).parent / "words.model").write_bytes(model.getvalue())


if __name__ == "__main__":
    main()
