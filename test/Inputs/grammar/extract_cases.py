#!/usr/bin/env python3
"""extract_cases.py LLAMA_CPP FOLDER [SUITE]: published cases of grammars and schemas as JSON.

Reads tests/test-grammar-integration.cpp and tests/test-grammar-parser.cpp of
llama.cpp, and writes FOLDER/gbnf.json, FOLDER/schemas.json and FOLDER/errors.json,
which the tests find through AIR_GRAMMARS. If SUITE is given, it is a copy of
https://github.com/json-schema-org/JSON-Schema-Test-Suite, and its cases for draft
2020-12 go to FOLDER/suite.json. The files are not ours to ship.
"""
import itertools
import json
import re
import sys
from pathlib import Path

LITERAL = re.compile(r'R"(\w*"*)\((.*?)\)\1"|"((?:[^"\\]|\\.)*)"', re.S)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}


def unescape(text):
    # Escapes such as \xc3 stand for the bytes of UTF-8.
    plain = re.sub(r"\\(x)([0-9a-fA-F]{2})|\\(.)",
                   lambda m: chr(0xdc00 + int(m[2], 16)) if m[1] else ESCAPES.get(m[3], m[3]), text)
    raw = b"".join(bytes([ord(c) - 0xdc00]) if 0xdc00 <= ord(c) < 0xdd00 else c.encode() for c in plain)
    return raw.decode("utf-8", "surrogateescape")


def tokens(source):
    """String literals, tokens as [id], and braces, without comments."""
    at = 0
    while at < len(source):
        if source.startswith("//", at):
            at = source.find("\n", at)
            if at < 0:
                return
            continue
        literal = LITERAL.match(source, at)
        if literal:
            yield "text", literal[2] if literal[2] is not None else unescape(literal[3])
            at = literal.end()
            continue
        token = re.compile(r"token\((\d+)\)").match(source, at)
        if token:
            yield "token", int(token[1])
            at = token.end()
            continue
        if source[at] in "{}(),+;":
            yield source[at], None
        at += 1


def calls(source, name):
    """The arguments of each call: a text, or a list of texts. A text with tokens is a list."""
    for match in re.finditer(r"\b" + name + r"\s*\((?!const)", source):
        depth, arguments, current, lists = 1, [], [], None
        for kind, value in tokens(source[match.end():]):
            if kind == "(":
                depth += 1
            elif kind == ")":
                depth -= 1
                if depth == 0:
                    break
            elif kind == "{":
                lists = []
            elif kind in ("}", ",") and lists is not None:
                if current:
                    lists.append(current)
                current = []
                if kind == "}":
                    arguments.append(lists)
                    lists = None
            elif kind == "," and current:
                arguments.append(current)
                current = []
            elif kind in ("text", "token"):
                if current and kind == "text" and isinstance(current[-1], str):
                    current[-1] += value
                else:
                    current.append(value)
        if current:
            arguments.append(current)
        yield arguments


def plain(parts):
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def in_every_order(value):
    """The value with the members of its objects in each order, of which a grammar allows one."""
    if isinstance(value, list):
        yield from (list(each) for each in itertools.product(*map(in_every_order, value)))
    elif isinstance(value, dict):
        for keys in itertools.permutations(value):
            for each in itertools.product(*(in_every_order(value[key]) for key in keys)):
                yield dict(zip(keys, each))
    else:
        yield value


def has_whole_float(value):
    """Whether the value has a number such as 1.0, which is no text of an integer in a grammar."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_whole_float, parts)) or isinstance(value, float) and value.is_integer()


def is_stricter(file, instance):
    """Whether a grammar refuses this valid value on purpose (docs/grammars.md)."""
    if file.parent.name == "format" and isinstance(instance, str):  # no leap seconds, and only "T" and "Z"
        return re.search(":60|[tz]", instance) is not None
    # The formats of format.json restrict nothing. The dialect of vocabulary.json lacks the keywords that
    # restrict values.
    return file.name in ("format.json", "vocabulary.json") or has_whole_float(instance)


def suite_cases(suite):
    """The schemas of the test suite, each with values that are valid and invalid."""
    for file in sorted((suite / "tests/draft2020-12").rglob("*.json")):
        for group in json.loads(file.read_text()):
            values = {True: [], False: []}
            for test in group["tests"]:
                if not test["valid"] or not is_stricter(file, test["data"]):
                    values[test["valid"]].append(
                        [json.dumps(each, separators=(",", ":"), ensure_ascii=False)
                         for each in itertools.islice(in_every_order(test["data"]), 200)])
            yield {"name": f"{file.name}: {group['description']}", "schema": json.dumps(group["schema"]),
                   "valid": values[True], "invalid": values[False]}


def main():
    tests, folder = Path(sys.argv[1]) / "tests", Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    integration = (tests / "test-grammar-integration.cpp").read_text()
    for name, file, key in (("test_grammar", "gbnf.json", "grammar"), ("test_schema", "schemas.json", "schema")):
        cases = [{"name": plain(a[0]), key: plain(a[1]), "accepts": [plain(t) for t in a[2]],
                  "rejects": [plain(t) for t in a[3]]}
                 for a in calls(integration, name) if len(a) == 4 and isinstance(a[0][0], str)]
        (folder / file).write_text(json.dumps(cases, indent=1))
        print(f"{len(cases)} of {file}")
    parser = (tests / "test-grammar-parser.cpp").read_text()
    errors = [plain(a[0]) for a in calls(parser, "verify_failure") if a]
    # The grammars for which test_build_grammar_fails() expects an error.
    for match in re.finditer(r"const std::string (\w+) = (R\"\"\"\(.*?\)\"\"\");", integration, re.S):
        if f"test_build_grammar_fails({match[1]})" in integration[match.end():match.end() + 400]:
            errors.append(LITERAL.match(match[2])[2])
    (folder / "errors.json").write_text(json.dumps(errors, indent=1))
    print(f"{len(errors)} of errors.json")
    if len(sys.argv) > 3:
        cases = list(suite_cases(Path(sys.argv[3])))
        (folder / "suite.json").write_text(json.dumps(cases, indent=1))
        print(f"{len(cases)} of suite.json")


main()
