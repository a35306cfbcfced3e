"""Checks JSON against the files of schemas/: the keywords that stand in them, and no other (an unknown one is an error)."""

import json
import os
import re

from .processes import SOURCE

_TYPES = {
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}
_KNOWN = {"$schema", "title", "description", "type", "additionalProperties", "required", "properties", "const", "enum", "pattern", "items",
          "minItems", "maxItems"}


def check(value, schema, path="$"):
    assert not set(schema) - _KNOWN, f"{path}: keywords nobody checks: {set(schema) - _KNOWN}"
    types = schema.get("type", list(_TYPES))
    types = [types] if isinstance(types, str) else types
    assert any(_TYPES[t](value) for t in types), f"{path}: {value!r} is not {types}"
    if "const" in schema:
        assert value == schema["const"], f"{path}: {value!r} is not {schema['const']!r}"
    if "enum" in schema:
        assert value in schema["enum"], f"{path}: {value!r} is not one of {schema['enum']}"
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{path}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), f"{path}: {len(value)} items"
        for i, item in enumerate(value):
            check(item, schema.get("items", {}), f"{path}[{i}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        missing = set(schema.get("required", [])) - set(value)
        assert not missing, f"{path}: {sorted(missing)} missing"
        for key, member in value.items():
            others = schema.get("additionalProperties", True)
            assert key in properties or others, f"{path}: {key} is not in the schema"
            check(member, properties.get(key, others if isinstance(others, dict) else {}), f"{path}.{key}")


def check_text(text, name):
    """Returns the object in @text after it was checked against schemas/NAME.json."""
    with open(os.path.join(SOURCE, "schemas", name + ".json"), encoding="utf-8") as f:
        schema = json.load(f)
    value = json.loads(text)
    check(value, schema)
    return value
