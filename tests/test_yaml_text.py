"""Reading YAML that people write."""

import pytest

from keras_liteseg.yaml_text import parse_yaml


def test_what_is_written_once_is_read():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [{x: 1}, {x: 1}]\n"
    assert parse_yaml(text) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1}, {"x": 1}]}
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: 1\nb: 2\na: 3", "the key 'a' is there twice in .*line 3, column 1"),
        ("b: {0: x, 0: y}", "the key '0' is there twice"),
        ("a: [", "expected the node content"),
        ("2026-02-30", "day is out of range for month"),
        ("!!bool perhaps", "perhaps"),
        ("[" * 5000, "recursion"),
    ],
)
def test_what_is_no_yaml_is_told_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_yaml(text)
    assert "\n" not in str(error.value)
