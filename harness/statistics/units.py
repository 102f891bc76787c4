"""Nats per token, and bits per byte of text.

``tokens`` and ``text_bytes`` are those of one text; only their ratio matters.
"""

import math


def nats_per_token_to_bpb(nats: float, *, tokens: float, text_bytes: float) -> float:
    """Convert a loss or a margin from nats per token to bits per byte of text."""
    return nats / math.log(2) * tokens / text_bytes


def bpb_to_nats_per_token(bpb: float, *, tokens: float, text_bytes: float) -> float:
    """Convert bits per byte of text to nats per token."""
    return bpb * math.log(2) * text_bytes / tokens


def remembered_bpb(content_bytes: float, *, text_bytes: float) -> float:
    """What so many bytes, chosen by somebody who knew the text, can save at most: 8 bits each."""
    return 8 * content_bytes / text_bytes
