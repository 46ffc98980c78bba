"""Durations as Go's own time package reads and prints them; negative ones we refuse."""

import re
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}
UNITS |= {"m": 60 * UNITS["s"], "h": 3600 * UNITS["s"]}
SIGNS = st.sampled_from(["", "", "-", "+", "--"])
MAXIMUM = 2**63 - 1

digits = st.one_of(
    st.text("0123456789", max_size=4),
    st.text("0123456789", max_size=25),
    st.integers(0, 2**64).map(str),
    st.sampled_from(
        ["9223372036854775807", "9223372036854775808", "9223372036854775809", "2562047", "0"]
    ),
)
fraction = st.one_of(st.just(""), st.builds(".{}".format, digits))
unit = st.sampled_from(list(UNITS) * 3 + ["", "x", "S", "d", " s", "s ", "µ"])
duration = st.builds(
    "{}{}".format,
    SIGNS,
    st.lists(st.builds("{}{}{}".format, digits, fraction, unit), max_size=4).map("".join),
)
junk = st.one_of(st.text("0123456789.-+ hmsnuµ", max_size=10), st.text(max_size=6))


def compare(ours, go, text):
    expected, found = go["duration"](text), ours["duration"](text)
    if "reason" in found and "nanoseconds" in expected:
        assert expected["nanoseconds"] < 0 or wraps(text), f"{text!r}: Go {expected}, we {found}"
    elif expected.get("nanoseconds", -1) >= 0:
        assert found == expected, repr(text)
    else:
        assert "reason" in found, f"{text!r}: Go {expected}, we {found}"


def wraps(text):
    """Whether the sum is too long for the 64 bits that Go adds it up in."""
    quantities = re.findall(r"([0-9.]+)([^0-9.]+)", text)
    return sum(Fraction(f"0{number}0") * UNITS[unit] for number, unit in quantities) >= 2**63


def test_the_one_difference(ours, go):
    """Twice 2^63 ns is zero in Go's 64 bits; we say that it is out of range."""
    text = 2 * "9223372036854775808ns"
    assert go["duration"](text) == {"nanoseconds": 0, "text": "0s"}
    assert "longer" in ours["duration"](text)["reason"]


@given(duration)
@example("")
@example("0")
@example("-0")
@example("1.s")
@example(".5s")
@example(".s")
@example("1h15m30.5s")
@example("-9223372036854775808ns")
@example("9223372036854775808ns")
@example("0.100000000000000000000h")
@example("0.3333333333333333333h")
@example("39h9m14.425s")
def test_texts(ours, go, text):
    compare(ours, go, text)


@given(junk)
def test_junk(ours, go, text):
    compare(ours, go, text)


@given(st.one_of(st.integers(0, MAXIMUM), st.integers(0, 10**12)))
@example(MAXIMUM)
def test_printed_durations_parse_back(ours, go, nanoseconds):
    expected = go["duration"](f"{nanoseconds}ns")
    assert expected["nanoseconds"] == nanoseconds
    assert ours["duration"](f"{nanoseconds}ns") == expected
    assert ours["duration"](expected["text"]) == expected
