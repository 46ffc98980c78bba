"""What we accept as INI, Python's configparser reads in the same way; what it refuses, we refuse."""

import configparser
import io
import string

from conftest import ROOT, mutated
from hypothesis import example, given
from hypothesis import strategies as st

SPACES = ["", " ", "  ", "\t", " \t ", "\u00a0", "\u3000", "\x1f", "\x0c", "\x85"]
ENDS = ["\n", "\r\n", "\r", "\n\n", "\u2028", "\x0b", "\x1c", "\x00", "\ufeff"]
SECTIONS = "DEFAULT|default|other|Other|a]b|| DEFAULT|x.y|ΑΣ|İ".split("|")
KEYS = "SERVER_PORT|server_port|Key|a b|x.y|other.key||ΟΔΟΣ|#k|;k|[k|k]".split("|")
DELIMITERS = ["=", ":", "==", ""]
VALUES = '12345||a = b|a: b|5 ; five|5 # five|50%|%%|%(key)s|"quoted"|[x]|ñ'.split("|")
TOKENS = SPACES + ENDS + SECTIONS + KEYS + VALUES + list("=:#;[]%\\\"'")


def joined(*parts):
    return st.tuples(*parts).map("".join)


space = st.sampled_from([""] * 6 + SPACES)
values = st.sampled_from(VALUES)
option = joined(space, st.sampled_from(KEYS), space, st.sampled_from(DELIMITERS), space, values, space)
tail = st.sampled_from(["", "", "; c", "#]", "x"])
header = joined(space, st.just("["), st.sampled_from(SECTIONS), st.just("]"), space, tail)
comment = joined(space, st.sampled_from("#;"), values)
lines = joined(st.one_of(option, option, header, comment, space), st.sampled_from(["\n"] * 8 + ENDS))
start = st.sampled_from(["[DEFAULT]\n", "[DEFAULT]\r\n", "\ufeff[DEFAULT]\n", ""])
documents = joined(start, st.lists(lines, max_size=8).map("".join))
junk = joined(start, st.lists(st.one_of(st.sampled_from(TOKENS), st.characters(codec="utf-8")), max_size=20).map("".join))
mutations = mutated(documents, TOKENS)

keys = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)
texts = st.text(string.ascii_letters + string.digits + "_-./ ñ#;=:[]", max_size=12)
sections = st.dictionaries(
    st.sampled_from(["DEFAULT", "other", "third"]), st.dictionaries(keys, texts, max_size=5)
)


def reference(text):
    """The settings of each section, with those of DEFAULT in all of them. None if the parser refuses the text."""
    # Universal newlines, as open() has them; utf-8-sig drops a byte order mark, as we do.
    file = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8-sig")
    parser = configparser.ConfigParser()
    try:
        parser.read_file(file)
        return {name: dict(parser[name]) for name in parser}
    except configparser.Error:
        return None


def compare(pairs, text):
    found = dict(pairs)
    assert len(found) == len(pairs)
    expected = reference(text)
    assert expected is not None, f"configparser refuses {text!r}, we read {pairs}"
    defaults = expected.pop("DEFAULT")
    inherited, own = {}, {}
    for name, section in expected.items():
        for key, value in section.items():
            settings = inherited if value == defaults.get(key) else own
            settings[f"{name.lower()}.{key}"] = value
    assert inherited | found == inherited | own | defaults, f"configparser and we on {text!r}"


@given(st.one_of(documents, junk, mutations))
@example((ROOT / "server" / "config.ini").read_text())
def test_what_we_accept_is_the_same(ours, text):
    pairs = ours["ini"](text)
    if pairs is not None:
        compare(pairs, text)


@given(sections, st.sampled_from("=:"))
def test_ordinary_documents_are_accepted(ours, sections, delimiter):
    text = ""
    for name, section in sections.items():
        text += f"[{name}]\n"
        text += "".join(f"{key.upper()} {delimiter} {value}\n" for key, value in section.items())
    pairs = ours["ini"](text)
    assert pairs is not None, text
    compare(pairs, text)
