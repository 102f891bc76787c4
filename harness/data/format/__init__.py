"""Datasets as files: shards, documents, tokenizers and the manifest that binds them."""
