#!/usr/bin/env python3
"""extract_cases.py LLAMA_CPP FOLDER [SUITE]: published cases of grammars and schemas as JSON.

Reads tests/test-grammar-integration.cpp and tests/test-grammar-parser.cpp of
llama.cpp, and writes FOLDER/gbnf.json, FOLDER/schemas.json and FOLDER/errors.json,
which the tests find through AIR_GRAMMARS. If SUITE is given, it is a copy of
https://github.com/json-schema-org/JSON-Schema-Test-Suite, and its cases for draft
2020-12 go to FOLDER/suite.json. The files are not ours to ship.
"""
import functools
import itertools
import json
import re
import sys
from decimal import Decimal
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
    """The value with the members of its objects in each order, of which a grammar may allow only one."""
    if isinstance(value, list):
        yield from (list(each) for each in itertools.product(*map(in_every_order, value)))
    elif isinstance(value, dict):
        for keys in itertools.permutations(value):
            for each in itertools.product(*(in_every_order(value[key]) for key in keys)):
                yield dict(zip(keys, each))
    else:
        yield value


# Reads JSON without rounding its numbers.
exactly = functools.partial(json.loads, parse_float=Decimal)


def decimal(number):
    """The number without an exponent, and without a fraction if it has none."""
    text = format(Decimal(number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def scientific(number):
    return f"{Decimal(number):e}"


def escaped(text):
    """The text with every character as JSON's \\u escapes."""
    units = text.encode("utf-16-be", "surrogatepass")
    return '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)) + '"'


def compact(text):
    return json.dumps(text, ensure_ascii=False)


def longer(number):
    return decimal(number) + ("0" if "." in decimal(number) else ".0")


NUMBER_SPELLINGS = [decimal, str, longer, scientific]


def spelled(value, number, string):
    """The JSON text of the value, with numbers and strings as the two functions spell them."""
    if isinstance(value, list):
        return "[" + ",".join(spelled(each, number, string) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(string(k) + ":" + spelled(v, number, string) for k, v in value.items()) + "}"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return number(value)
    return json.dumps(value)


def is_same(a, b):
    """Whether two JSON values are equal. Python takes True for 1."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_same(a[key], b[key]) for key in a)
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def texts_of(value):
    """JSON texts of the value: all orders of members, and several spellings of numbers and strings."""
    texts = {}
    for count, ordered in enumerate(in_every_order(value)):
        if count > 5040:
            sys.exit(f"{value} has more than 5040 orders of its members")
        for number in NUMBER_SPELLINGS:
            for string in (compact, escaped):
                texts[spelled(ordered, number, string)] = True
    for text in texts:
        if not is_same(exactly(text), value):
            sys.exit(f"{text} is not a text of {value}")
    return list(texts)


def is_valid(file, test):
    """Whether the value is valid if formats are asserted, as a grammar does. format.json expects that they are
    only annotations, and says so in the names of the values for which it makes a difference."""
    return test["valid"] and not (file.name == "format.json" and "only an annotation" in test["description"])


def suite_cases(suite):
    """The schemas of the test suite, each with values that are valid and invalid. A value is a list of its texts."""
    for file in sorted((suite / "tests/draft2020-12").rglob("*.json")):
        for group in exactly(file.read_text()):
            values = {True: [], False: []}
            for test in group["tests"]:
                values[is_valid(file, test)].append(texts_of(test["data"]))
            yield {"name": f"{file.name}: {group['description']}", "schema": spelled(group["schema"], str, compact),
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
