"""Nats per token and bits per byte, converted with the figures of a dataset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.units import bpb_to_nats_per_token, nats_per_token_to_bpb


@given(st.floats(1e-6, 1e3), st.integers(1, 10**9), st.integers(1, 10**9))
def test_units_convert_back_and_forth(value: float, tokens: int, text_bytes: int) -> None:
    there = nats_per_token_to_bpb(value, tokens=tokens, text_bytes=text_bytes)
    back = bpb_to_nats_per_token(there, tokens=tokens, text_bytes=text_bytes)
    assert back == pytest.approx(value)
