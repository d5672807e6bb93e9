"""Reading YAML that people write."""

from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, which takes the last of two entries with the same key without a word; this one refuses them."""

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            said = key.tag, str(key.value)
            if said in seen and key.tag != _MERGE:
                raise yaml.composer.ComposerError(None, None, f"the key '{key.value}' is there twice", key.start_mark)
            seen.add(said)
        return node


def parse_yaml(text: str) -> Any:
    """Return what a text in YAML says.

    Raises:
        ValueError: it is no YAML, or has a key twice; the message is one line.
    """
    try:
        return yaml.load(text, _Loader)
    except Exception as error:  # PyYAML raises errors of many types for dates, numbers and tags that are none.
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
