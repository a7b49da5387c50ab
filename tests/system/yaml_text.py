"""Writes a configuration as a person would: block YAML, strings plain where that is safe."""

import re

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@=-]*( [A-Za-z0-9_./@=-]+)*|\d+(ms|[smhd]|B|[KMG]iB)")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def scalar(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dump(value, indent=0):
    """A map as YAML text."""
    pad = "  " * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{pad}{key}:", dump(item, indent + 1)]
        elif isinstance(item, (list, tuple)) and item and isinstance(item[0], dict):
            lines.append(f"{pad}{key}:")
            for element in item:
                body = dump(element, indent + 2)
                lines.append(f"{pad}  - {body.lstrip()}")
        elif isinstance(item, dict):
            lines.append(f"{pad}{key}: {{}}")
        elif isinstance(item, (list, tuple)):
            lines.append(f"{pad}{key}: [{', '.join(scalar(element) for element in item)}]")
        else:
            lines.append(f"{pad}{key}: {scalar(item)}")
    return "\n".join(lines)
