"""A number that we take is the same to the originals: to Go, by its prefixes, and to Python. The rest we refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

ODD = "0 00 07 08 010 +0 -0 +5 -5 0x10 0X1f 0b11 0o17 1_000 0_8 1e3 5.0 ٣ 65535 65536 9223372036854775807".split()
texts = st.one_of(st.integers(0, 2**63 - 1).map(str), st.text("0123456789+-_xXobBe. ", max_size=7), st.sampled_from(ODD))


@given(texts.filter(bool))  # an empty one counts as unset
def test_of_the_client(ours, go, text):
    found = ours["amount"](text)
    assert "reason" in found or found == go["number"](text), text


@given(texts.filter(bool))
def test_of_the_server(ours, text):
    found = ours["port"](text)
    assert "reason" in found or found == {"number": int(text)}, text


@pytest.mark.parametrize("number", ["0", "5", "10", "65535"])
def test_plain_ones_are_taken(ours, number):
    assert ours["amount"](number) == ours["port"](number) == {"number": int(number)}
