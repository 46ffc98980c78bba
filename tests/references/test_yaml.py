"""What we accept as YAML, PyYAML (YAML 1.1) and Go's yaml.v3 (1.2) read in the same way; what one of
them refuses, we refuse."""

import string

import yaml
from conftest import ROOT, mutated
from hypothesis import example, given
from hypothesis import strategies as st

INDENTS = ["", "", "", "  ", "  ", "    ", " ", "\t", "   "]
KEYS = """a b server server.address Server address "a" 'b' y 1 null << - = ~ a-1 _x ñ İd K a:b "a b" a/b &a""".split()
KEYS += ["a b", "a #b", "? a"]
COLONS = [": "] * 6 + [":", ":  ", " : ", ":\t", "", " "]
NUMBERS = """
    0 5 -3 +3 -0 010 0o17 08 0x1f 0b11 1_000 9223372036854775807 9223372036854775808 1.5 -0.5 1.0 1.
    .5 0.00001 1e3 1.5e30 1e+3 1_0.5 -.inf .nan .NaN 12:30 12:30:45 1:2.5 190:20:30 1.2.3.4:5 2024-01-01
    2024-1-1 2024-01-01T10:00:00Z 2001-12-14t21:59:43.10-05:00 5s .5s 1h15m30.5s 1.5µs 10.0.0.1 0s
""".split()
WORDS = "true false True TRUE yes no on Off y N null Null ~ = << ...".split()
TEXTS = r"""
server:12345|INFO|a b|a  b|a:b|a#b|a #b|a: b|a:|:a|?a|? a|- a|-a|-|---|[a]|{a: b}|&x a|*x|!!str a|!a|>|>-|@a
`a|%a|,|]|a, b|a]|/x|$x|(x)|ñ|日本|a'b|a"b|a\n|"a"|'a'|"a"b|"a" b|"a"#b|"a" #b|"a|'a|'it''s'|''|""|'''
"\"\\"|"\t"|"\x41"|"a\"|"\/"|'\n'|'"'|"'"|2024-01-01 10:00:00|infinity|nan|e3|_1|5 s|5s 5s
""".strip().replace("\n", "|").split("|") + ["|", "a\tb", "a\t#b", '"\t"', "\u00a0", "a\u00a0", "\u3000a"]  # fmt: skip
TAILS = [""] * 8 + [" # c", " #", "#c", " ", "\t", " \t# c", "  x"]
ENDS = ["\n"] * 14 + ["\n\n", "\r\n", "\r", "\x85", "\u2028", "\u2029", "\x00", "\x0b", "\ufeff", ""]
WHOLE_LINES = """
---|...|--- a|---a: b|... # c|--- # c|%YAML 1.2|# c|  # c|- a|? a|: b||  |\t|a|"a": b|{}|[]|a: b: c
""".strip("\n").split("|")
TOKENS = INDENTS + KEYS + COLONS + NUMBERS + WORDS + TEXTS + TAILS + ENDS + WHOLE_LINES
TOKENS += string.punctuation

values = st.sampled_from(NUMBERS + WORDS + TEXTS + [""] * 30)
parts = [st.sampled_from(part) for part in (INDENTS, KEYS, COLONS)]
wild = st.tuples(*parts, values, st.sampled_from(TAILS)).map("".join)
tame = st.builds(
    "{}{}: {}".format,
    st.sampled_from(["", "  ", "    "]),
    st.sampled_from("abcdefgh"),
    st.sampled_from(["", "", "x", '"q"', "5"]),
)
lines = st.one_of(tame, tame, tame, wild, wild, st.sampled_from(WHOLE_LINES))
documents = st.lists(st.builds(str.__add__, lines, st.sampled_from(ENDS)), max_size=8).map("".join)
junk = st.lists(st.one_of(st.sampled_from(TOKENS), st.characters(codec="utf-8")), max_size=12).map("".join)
mutations = mutated(documents, TOKENS)
values_alone = st.text("0123456789+-._:eExXob aftTZnNyYhmsu'\"\\#", max_size=10).map("a: {}\n".format)

reserved = {word.lower() for word in WORDS}
names = st.from_regex(r"[a-z][a-z_-]{2,7}", fullmatch=True).filter(lambda name: name not in reserved)
texts = st.one_of(st.text(string.printable.strip() + " ñ日", max_size=12), st.sampled_from(NUMBERS + WORDS + TEXTS))
branches = st.recursive(
    texts, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8
)
trees = st.dictionaries(names, branches, min_size=1, max_size=4)
styles = st.sampled_from(['"', "'", None])
dumps = st.builds(lambda tree, style: yaml.safe_dump(tree, default_style=style, width=10**9), trees, styles)


def reference(text):
    """Each scalar, by its path. None if PyYAML refuses the text, or finds anything but mappings of scalars."""
    try:
        root = yaml.safe_load(text)
        return {} if root is None else dict(flatten(root))
    except (yaml.YAMLError, ValueError, TypeError, AttributeError):
        return None


def flatten(mapping, prefix=""):
    for key, value in mapping.items():
        path = prefix + key.lower()
        if isinstance(value, dict):
            yield from flatten(value, path + ".")
        elif isinstance(value, bool):
            yield path, str(value).lower()
        elif isinstance(value, (str, int)):
            yield path, str(value)
        elif value is not None:
            raise TypeError(f"{value!r} is a {type(value)}")


def compare(pairs, go, text):
    found = dict(pairs)
    assert len(found) == len(pairs)
    assert found == reference(text), f"PyYAML and we on {text!r}"
    assert found == go["yaml"](text), f"yaml.v3 and we on {text!r}"


@given(st.one_of(documents, junk, mutations, values_alone, dumps))
@example((ROOT / "client" / "config.yaml").read_text())
def test_what_we_accept_is_the_same(ours, go, text):
    pairs = ours["yaml"](text)
    if pairs is not None:
        compare(pairs, go, text)


@given(trees)
def test_ordinary_documents_are_accepted(ours, go, tree):
    text = nested(tree)
    pairs = ours["yaml"](text)
    assert pairs is not None, text
    compare(pairs, go, text)


def nested(tree, indent=""):
    """Each text in quotes, which hold anything that is not a control character."""
    text = ""
    for key, value in tree.items():
        if isinstance(value, str):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            text += f'{indent}{key}: "{escaped}"\n'
        else:
            text += f"{indent}{key}:\n{nested(value, indent + '  ')}"
    return text
