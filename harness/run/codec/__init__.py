"""A submission's tokenizer that is code: run in sandboxes, proven, and made a dataset of.

``docs/tokenizers.md`` has the argument. ``talk.py`` asks one codec, ``phase.py`` runs one sandbox,
``making.py`` makes the dataset, ``proving.py`` asks again elsewhere.
"""
