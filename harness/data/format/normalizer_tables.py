"""The normalization tables that SentencePiece itself ships, recognized by their digests.

A model carries its normalizer as a compiled table. A table of SentencePiece's own carries no
information beyond its name; any other may.
"""

from harness.safeio.files import sha256_of_bytes

OWN_TABLES = {
    # Releases up to 0.2.0.
    "51d3684747b35ef99cd4802f37cc1ee0c6bec4d060814f774efb1066d3c167f2": "nmt_nfkc of 0.2.0",
    "6cec34e8016fd0d0a2da28b60b00e36b19a275df83786bf6b494bd033c708f83": "nmt_nfkc_cf of 0.2.0",
    "557b5397b1133d8abb62f7923e5b53ee496d3e36b9f63fd42625077c33688a14": "nfkc of 0.2.0",
    "b30e4085ba1fad56d2401f4612419b6b3b42c5adc1e04f3aa1806399895d6bdd": "nfkc_cf of 0.2.0",
    # 0.2.1, with which the field's own models were made.
    "79372c41389c2b9b29bc171017ab5400e352debd686b02670a42bec709015074": "nmt_nfkc of 0.2.1",
    "22c292c76f503795f30c85d79d30a7f572fff4f49e00392d2d60f4f93e941a1e": "nmt_nfkc_cf of 0.2.1",
    "52f11028ff8a7df3e009d94a8b6a54d4a8a17132efb4ccc1c9a0a41e432bd91e": "nfkc of 0.2.1",
    "60833ec11201446659c3549c183b18f024c4007628cc6b3a4e91ae007697b826": "nfkc_cf of 0.2.1",
    # 0.2.3.
    "1e2c7b43d3ee9755ceaa2ac335e253d8703604e0249ee1e81156c92b46423844": "nmt_nfkc of 0.2.3",
    "2c03512e62f9ed965ec90d85314211b63b5b8aa0395311ea2147eec9ff738907": "nmt_nfkc_cf of 0.2.3",
    "7e46d9e08af4b6a37991b04fb8388644c1595a0abcd0f26d6a5d575e2a3663ea": "nfkc of 0.2.3",
    "d8dfef3d6db0eef0742f8b55a73aee7fce6c1e21d26a09b8d3d4b52c42a791cb": "nfkc_cf of 0.2.3",
}
"""SHA-256 of each table, as models trained with that release hold it."""
IDENTITY = "identity"


def own_name(table: bytes) -> str | None:
    """The name of one of SentencePiece's own tables, ``identity`` for an empty one; else None."""
    return OWN_TABLES.get(sha256_of_bytes(table)) if table else IDENTITY
