"""Datasets: token shards, the raw documents they came from, and a manifest that binds both."""
