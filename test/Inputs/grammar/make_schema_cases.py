#!/usr/bin/env python3
"""make_schema_cases.py OUT: schemas with values, judged by the jsonschema package.

Writes a list of {"schema", "valid", "invalid"}, where the values are compact JSON texts.
Needs the Python package jsonschema (4.26.0 made schemas.json). The properties of a
value are in the order of the schema, and integers have no fraction, as docs/grammars.md
says that a grammar demands.
"""
import itertools
import json
import re
import sys

import jsonschema

SCALARS = [None, True, False, 0, 1, -1, 7, 1.5, -0.25, "", "a", "abc", "é", "\U0001f600", "\"\\\n\x01", [], {}]
VALUES = SCALARS + [[1], ["a"], [1, "a"], [None], [[], {}], [1, 2, 3], ["a", "b", "c", "d"], {"a": 1}, {"a": "x"},
                    {"a": 1, "b": 2}, {"b": 2}, {"a": 1, "c": None}, {"a": {"a": {}}}, {"ab": 1}, {"": 0}]
NUMBERS = [0, 1, -1, 2, 4, 5, 6, 9, 10, 11, 19, 42, 99, 100, 101, 122, 123, 124, 999, 1000, 1001, 12345, -2, -9, -10,
           -11, -99, -100, -122, -123, -124, -1000, 10**15, -10**15, 2**63, 10**20, 0.5, 0.25, 0.1, 0.05, 0.75, 0.7,
           0.99, 1.01, 1.5, 2.5, 2.49, 2.51, 2.505, 9.999, 10.001, -0.5, -0.25, -1.5, -2.5, -2.51, -2.49, 123.456, 123.4561]
STRINGS = ["", "a", "b", "ab", "abc", "abcd", "éé", "\U0001f600", "a\n", "\"", "\\", "A1", "12", "1", "-", "x-y",
           "aab", "foo", "foobar", "xfoo", "a.b", "a/b", " ", "\t", "1,2", "[a]", "_", "\u00a0", "\u0660"]
DATES = ["2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "2023-02-28", "2023-04-31", "2023-12-31", "2023-13-01",
         "2023-00-10", "2023-1-01", "20230101", "2023-01-32", "x2023-01-01", "2023-01-01x", ""]
TIMES = ["12:00:00Z", "23:59:59.123+01:00", "24:00:00Z", "12:60:00Z", "12:00:60Z", "12:00Z", "12:00:00", "00:00:00-23:59"]
UUIDS = ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000",
         "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g", ""]
TREE = [{"value": 1}, {"value": 1, "children": []}, {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]},
        {"value": 1, "children": [{}]}, {"children": []}, {}, [], 1]
SHAPES = [{"kind": "circle", "r": 1}, {"kind": "square", "a": 2}, {"kind": "circle", "a": 2}, {"kind": "circle"},
          {"kind": "line"}, {"r": 1}, {}]

CASES = [
    (True, VALUES), (False, VALUES), ({}, VALUES),
    *[({"type": t}, VALUES) for t in ("null", "boolean", "integer", "number", "string", "array", "object")],
    ({"type": ["integer", "null"]}, VALUES), ({"type": ["string", "array", "boolean"]}, VALUES),
    ({"title": "t", "description": "d", "default": 1, "examples": [1], "$comment": "c", "x-note": 1, "type": "null"}, VALUES),
    ({"enum": [1, "a", None, [1], {"a": 1}]}, VALUES), ({"enum": ["a", 1, True], "type": "string"}, VALUES),
    ({"const": {"a": 1, "b": 2}}, VALUES), ({"const": "\"\\\n\x01"}, VALUES), ({"const": 1.5}, VALUES),
    ({"enum": []}, VALUES), ({"enum": ["a", "abc"], "minLength": 2}, VALUES), ({"enum": [1, 5, 9], "maximum": 5}, NUMBERS),
    # Strings.
    ({"type": "string", "minLength": 2}, STRINGS), ({"type": "string", "maxLength": 2}, STRINGS),
    ({"minLength": 1, "maxLength": 3}, VALUES), ({"type": "string", "minLength": 3, "maxLength": 2}, STRINGS),
    *[({"type": "string", "pattern": p}, STRINGS) for p in (
        "^a", "b$", "^ab?c*$", "foo", "^foo$", "^(foo|a+b)$", "^a|b$", "^[a-c]{2,3}$", "^[^a-z]+$", "^\\d+$", "^\\w+$",
        "\\s", "^\\S+$", "^.$", "^.*$", "", "^$", "^[\\w.-]+$", "^a\\.b$", "^a\\/b$", "^\\\\$", "^\"$", "^[\\[a\\]]+$",
        "^[[a]+]$", "^(?:a|b){1,2}$", "^a{2}b$", "^\\u0061$", "^[\\d,]+$", "^\\x41\\D?1$", "^a\\n$")],
    ({"type": "string", "format": "date"}, DATES), ({"type": "string", "format": "time"}, TIMES),
    ({"type": "string", "format": "date-time"},
     [a + b + c for a, b, c in itertools.product(DATES[:3], ("T", " ", ""), TIMES[:4])]),
    ({"type": "string", "format": "uuid"}, UUIDS), ({"format": "uuid"}, VALUES + UUIDS),
    # Numbers.
    *[({"type": t, **b}, NUMBERS) for t in ("integer", "number") for b in (
        {"minimum": 0}, {"minimum": 5}, {"minimum": 10}, {"minimum": 123}, {"minimum": -123}, {"minimum": -1},
        {"maximum": 0}, {"maximum": 9}, {"maximum": 100}, {"maximum": -10}, {"maximum": 123},
        {"exclusiveMinimum": 0}, {"exclusiveMaximum": 0}, {"exclusiveMinimum": 10}, {"exclusiveMaximum": 100},
        {"minimum": 5, "maximum": 42}, {"minimum": -123, "maximum": 99}, {"minimum": 10, "maximum": 10},
        {"exclusiveMinimum": -10, "exclusiveMaximum": 10}, {"minimum": 2, "exclusiveMinimum": 4, "maximum": 1000},
        {"minimum": 0.5, "maximum": 2.5}, {"exclusiveMinimum": 0.5, "exclusiveMaximum": 2.5}, {"minimum": 2.49, "maximum": 2.505},
        {"exclusiveMinimum": 0.25, "maximum": 0.75}, {"minimum": -2.5, "maximum": -0.25}, {"exclusiveMaximum": -0.5},
        {"minimum": 0, "maximum": 1}, {"minimum": 1, "maximum": 900719925474091}, {"minimum": 5, "maximum": 4},
        {"exclusiveMinimum": 1, "exclusiveMaximum": 2}, {"maximum": 123.456}, {"exclusiveMaximum": 123.456})],
    ({"minimum": 2}, VALUES),
    # Arrays.
    ({"type": "array", "items": {"type": "integer"}}, VALUES), ({"items": {"type": "string"}}, VALUES),
    ({"type": "array", "minItems": 1}, VALUES), ({"type": "array", "maxItems": 2}, VALUES),
    ({"type": "array", "minItems": 2, "maxItems": 3}, VALUES), ({"type": "array", "maxItems": 0}, VALUES),
    ({"type": "array", "minItems": 3, "maxItems": 2}, VALUES), ({"type": "array", "uniqueItems": False}, VALUES),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, VALUES),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}, VALUES),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2}, VALUES),
    ({"type": "array", "prefixItems": [True, True], "items": {"type": "integer"}, "maxItems": 3}, VALUES),
    ({"type": "array", "prefixItems": [True, True, True], "maxItems": 1}, VALUES),
    ({"type": "array", "items": False}, VALUES),
    ({"type": "array", "items": {"type": "array", "items": {"type": "null"}}}, VALUES + [[[None], []], [[1]]]),
    # Objects.
    ({"type": "object", "properties": {"a": {"type": "integer"}}}, VALUES),
    ({"properties": {"a": {"type": "integer"}}}, VALUES),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}, VALUES),
    ({"type": "object", "properties": {"a": True, "b": {}}, "required": ["a"]}, VALUES),
    ({"type": "object", "properties": {"a": True, "b": {}}, "required": ["b"], "additionalProperties": False}, VALUES),
    ({"type": "object", "required": ["a"]}, VALUES), ({"required": ["b"], "additionalProperties": {"type": "integer"}}, VALUES),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, VALUES),
    ({"type": "object", "additionalProperties": False}, VALUES), ({"type": "object", "properties": {"a": False}}, VALUES),
    ({"type": "object", "properties": {"a": {}, "ab": {"type": "string"}}}, VALUES + [{"ab": "x"}, {"a": 1, "ab": "x", "abc": 1}]),
    ({"type": "object", "properties": {"é\"\n": {"type": "integer"}}, "additionalProperties": {"type": "null"}},
     [{"é\"\n": 1}, {"é\"\n": None}, {"é": None}, {"é\"": None}, {"é\"\nx": None}, {"": 1}]),
    ({"type": "object", "properties": {c: {"type": "integer"} for c in "abcdef"}, "required": ["b", "e"], "additionalProperties": False},
     [{k: 1 for k in keys} for n in range(7) for keys in itertools.combinations("abcdef", n)]),
    # Combinations.
    ({"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 2}]}, VALUES),
    ({"type": ["integer", "string"], "anyOf": [{"minimum": 5}, {"type": "string"}]}, VALUES),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}, VALUES),
    ({"oneOf": [{"const": 1}, {"enum": ["a", None]}]}, VALUES),
    ({"oneOf": [{"type": "integer", "maximum": 4}, {"type": "integer", "exclusiveMinimum": 4}]}, NUMBERS),
    ({"oneOf": [{"type": "object", "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}}, "required": ["kind", "r"]},
                {"type": "object", "properties": {"kind": {"const": "square"}, "a": {"type": "number"}}, "required": ["kind", "a"]}]}, SHAPES),
    ({"allOf": [{"type": "integer"}, {"minimum": 2}, {"maximum": 10}]}, NUMBERS),
    ({"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}, VALUES),
    ({"allOf": [{"properties": {"a": {"type": "integer"}}, "additionalProperties": False}, {"properties": {"b": {}}}]}, VALUES),
    ({"type": "array", "allOf": [{"items": {"type": "integer"}}, {"items": {"minimum": 2}}, {"minItems": 1}]}, VALUES + [[5, 6], [5, 1]]),
    ({"allOf": [{"enum": [1, 2, 7]}, {"enum": [7, 1]}]}, VALUES), ({"allOf": [{"type": "string"}, {"type": "integer"}]}, VALUES),
    ({"anyOf": [{"allOf": [{"type": "string"}, {"maxLength": 1}]}, {"anyOf": [{"type": "null"}, {"const": [1]}]}]}, VALUES),
    # References.
    ({"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}}, VALUES),
    ({"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n", "minimum": 1}, VALUES),
    ({"definitions": {"a/b~c d": {"type": "string"}}, "$ref": "#/definitions/a~1b~0c%20d"}, VALUES),
    ({"type": "object", "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}},
      "required": ["value"], "additionalProperties": False}, TREE),
    ({"$id": "https://example.org/s", "$schema": "https://json-schema.org/draft/2020-12/schema",
      "$defs": {"list": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"next": {"$ref": "#/$defs/list"}},
                                                     "required": ["next"], "additionalProperties": False}]}},
      "$ref": "#/$defs/list"}, [None, {"next": None}, {"next": {"next": None}}, {"next": 1}, {}, {"next": {"next": {}}}]),
    ({"type": "object", "properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "integer"}}}, VALUES),
]


def ecma(pattern):
    """The pattern as Python has to be told to read it as ECMA-262 does."""
    ascii_classes = "(?a)" if re.search(r"\\[dwDW]", pattern) else ""
    return ascii_classes + re.sub(r"(?<!\\)\$", r"\\Z", pattern)


def in_order(schema, value):
    """The value with its top properties in the order that a grammar demands."""
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return value
    parts = [schema] + [s for s in schema.get("allOf", [])]
    names = [n for s in parts for n in s.get("properties", {})] + [n for s in parts for n in s.get("required", [])]
    return {k: value[k] for k in sorted(value, key=lambda k: names.index(k) if k in names else len(names))}


def main():
    checker = jsonschema.FormatChecker(["date", "uuid"])
    # jsonschema needs more packages to check "time" and "date-time".
    from datetime import datetime
    def is_time(text):
        datetime.strptime(text.replace("Z", "+00:00"), "%H:%M:%S.%f%z" if "." in text else "%H:%M:%S%z")
        return True
    def is_date_time(text):
        day, _, time = text.partition("T")
        return jsonschema.FormatChecker(["date"]).conforms(day, "date") and is_time(time)
    checker.checks("time", ValueError)(lambda v: not isinstance(v, str) or is_time(v))
    checker.checks("date-time", ValueError)(lambda v: not isinstance(v, str) or is_date_time(v))
    out = []
    for schema, values in CASES:
        judged = dict(schema, pattern=ecma(schema["pattern"])) if "pattern" in (schema if isinstance(schema, dict) else {}) else schema
        validator = jsonschema.Draft202012Validator(judged, format_checker=checker)
        case = {"schema": json.dumps(schema, ensure_ascii=False), "valid": [], "invalid": []}
        for value in values:
            text = json.dumps(in_order(schema, value), separators=(",", ":"), ensure_ascii=False)
            kind = "valid" if validator.is_valid(value) else "invalid"
            if text not in case[kind]:
                case[kind].append(text)
        out.append(case)
    with open(sys.argv[1], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out) + "\n]\n")
    print(len(out), "schemas,", sum(len(c["valid"]) + len(c["invalid"]) for c in out), "values")


main()
