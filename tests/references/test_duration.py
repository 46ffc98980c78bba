"""Durations as Go's own time package reads and prints them. We refuse signs; a fraction is exact here, and floating
point in Go, which may be a nanosecond off."""

import re
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

MAXIMUM = 2**63 - 1
UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}

digits = st.one_of(
    st.text("0123456789", max_size=4),
    st.text("0123456789", max_size=25),
    st.integers(0, 2**64).map(str),
    st.sampled_from(["9223372036854775807", "9223372036854775808", "2562047", "0"]),
)
fraction = st.one_of(st.just(""), st.builds(".{}".format, digits))
unit = st.sampled_from(list(UNITS) * 3 + ["", "x", "S", "d", " s", "s ", "µ"])
quantity = st.builds("{}{}{}".format, digits, fraction, unit)
sign = st.sampled_from(["", "", "", "-", "+"])
duration = st.builds("{}{}".format, sign, st.lists(quantity, max_size=4).map("".join))
junk = st.one_of(st.text("0123456789.-+ hmsnuµ", max_size=10), st.text(max_size=6))


@given(st.one_of(duration, junk))
@example("9223372036854775807ns")
@example("9223372036854775808ns")
@example("0.830103483285477580700h")  # Go's last nanosecond is another one
def test_texts(ours, go, text):
    expected, found = go["duration"](text), ours["duration"](text)
    if found:
        assert expected, f"Go refuses {text!r}: we {found}"
        difference = abs(found[0] - expected[0])
        assert difference <= text.count("."), f"{text!r}: Go {expected}, we {found}"
    elif expected:
        assert text[0] in "+-" or is_out_of_range(text), f"{text!r}: Go {expected}, we refuse it"


def is_out_of_range(text):
    """Go adds up in 64 bits, which may wrap: 2^63 ns written twice is zero there."""
    quantities = re.findall(r"([0-9.]+)([^0-9.]+)", text)
    return sum(Fraction(f"0{number}0") * UNITS[unit] for number, unit in quantities) >= 2**63


@given(st.one_of(st.integers(0, MAXIMUM), st.integers(0, 10**12)))
@example(MAXIMUM)
def test_printed_durations_parse_back(ours, go, nanoseconds):
    expected = go["duration"](f"{nanoseconds}ns")
    assert expected[0] == nanoseconds
    assert ours["duration"](f"{nanoseconds}ns") == expected
    assert ours["duration"](expected[1]) == expected
