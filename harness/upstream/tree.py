"""Where upstream's scripts look for their data, below one directory."""


def tree_environment(root: str, vocabulary_size: int) -> dict[str, str]:
    """The variables that lead a script to its data: its older names, and its later ones."""
    return {
        "DATA_DIR": root,
        "DATA_PATH": f"{root}/{shards_folder(vocabulary_size)}",
        "TOKENIZER_PATH": f"{root}/{tokenizer_file(vocabulary_size)}",
        "VOCAB_SIZE": str(vocabulary_size),
    }


def shards_folder(vocabulary_size: int) -> str:
    """Where shards lie below the root."""
    return f"datasets/fineweb10B_sp{vocabulary_size}"


def tokenizer_file(vocabulary_size: int) -> str:
    """Where the tokenizer's model lies below the root."""
    return f"tokenizers/fineweb_{vocabulary_size}_bpe.model"
