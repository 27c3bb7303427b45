"""What the bridge takes as JSON."""

from typing import Any

import pytest

from bridge_app.errors import MalformedBody
from bridge_app.json_values import BODY_LEVELS, parse_body, unstorable


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"{}x", b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b'"\xff"',
     b'"\\ud800"', b'"\\udc00 "', b"\xef\xbb\xbf{}", b'{"a": 1e999, "b": NaN}', b'{"a": 1e999'],
)  # fmt: skip
def test_conventions_08_what_is_no_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse_body(body)


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * levels + b"1" + closing * levels


def test_32_levels_are_read_and_33_are_not() -> None:
    parse_body(nested(BODY_LEVELS))
    parse_body(nested(BODY_LEVELS, b'{"a":', b"}"))
    for body in (
        nested(BODY_LEVELS + 1),
        nested(BODY_LEVELS + 1, b'{"a":', b"}"),
        nested(5000),
        b"[" * 32 + b"{}" + b"]" * 32,
    ):
        with pytest.raises(MalformedBody, match="deeper than 32 levels"):
            parse_body(body)


def test_wide_is_not_deep() -> None:
    assert len(parse_body(b"[" + b"{}," * 500 + b"{}]")) == 501


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"a": {"b": [1, "x\\u0000y"]}}', "$.a.b[1]"),
        (b'{"a": {"x\\u0000y": 1}}', "$.a"),
        (b'{"a": 9223372036854775808}', "$.a"),
        (b'{"a": -9223372036854775809}', "$.a"),
        (b'{"a": {"b": 1e999}}', "$.a.b"),
        (b'{"a": {"b": ' + b"7" * 5000 + b"}}", "$.a.b"),
    ],
)
def test_what_no_store_holds_is_named_with_its_path(body: bytes, path: str) -> None:
    assert [error.path for error in unstorable(parse_body(body))] == [path]


@pytest.mark.parametrize("value", [{}, {"a": [2**63 - 1, -(2**63), 1.7e308, "\\u0000", None, True]}])
def test_what_stores_hold_is_not_named(value: Any) -> None:
    assert list(unstorable(value)) == []
