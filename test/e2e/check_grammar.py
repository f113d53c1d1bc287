#!/usr/bin/env python3
"""check_grammar.py MODEL.gguf WORKDIR: checks text that must match a grammar or a schema.

The model has never seen JSON, so nothing but the grammar makes its text valid.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

import airtest as t

model, work = map(Path, sys.argv[1:3])
work.mkdir(parents=True, exist_ok=True)
plan = work / "model.air"
t.pack(model, plan)


def generate(*options, seed=0, prompt="Once upon a time"):
    """Returns the text, and the line on stderr that says why it ended."""
    command = [t.AIRRUN, plan, "-p", prompt, "-n", 200, "--seed", seed, *options]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    t.expect(done.returncode == 0, f"{command}: {done.stderr}")
    return done.stdout.removesuffix("\n"), done.stderr.strip().splitlines()[-1]


def check_person(value):
    t.expect(set(value) <= {"name", "age", "tags", "size"} and {"name", "age"} <= set(value), f"keys of {value}")
    t.expect(isinstance(value["name"], str) and 1 <= len(value["name"]) <= 12, f"name of {value}")
    t.expect(isinstance(value["age"], int) and 0 <= value["age"] <= 120, f"age of {value}")
    t.expect(all(tag in ("kind", "brave") for tag in value.get("tags", [])), f"tags of {value}")
    t.expect(len(value.get("tags", [])) <= 2 and 0 <= value.get("size", 0) <= 1.5, f"{value}")


schema = {"type": "object",
          "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 12},
                         "age": {"type": "integer", "minimum": 0, "maximum": 120},
                         "tags": {"type": "array", "items": {"enum": ["kind", "brave"]}, "maxItems": 2},
                         "size": {"type": "number", "minimum": 0, "maximum": 1.5}},
          "required": ["name", "age"], "additionalProperties": False}
(work / "person.json").write_text(json.dumps(schema))
complete = 0
for seed in range(8):
    for options in (["--json-schema", json.dumps(schema)], ["--json-schema-file", work / "person.json", "--temp", 2]):
        text, why = generate(*options, seed=seed)
        if why.endswith("the model ended its text"):
            check_person(json.loads(text))
            complete += 1
# A number may grow until the limit of 200 tokens cuts the answer off.
t.expect(complete >= 10, f"only {complete} of 16 answers are complete")
print(f"{complete} of 16 answers are complete JSON of the schema")

for temperature in (0, 1):
    text, why = generate("--grammar", 'root ::= " \\"" ("yes" | "no") "\\"" [!?]{3}', "--temp", temperature)
    t.expect(re.fullmatch(r' "(yes|no)"[!?]{3}', text), f"{text!r} does not match")
    t.expect(why.endswith("the model ended its text"), why)

# The grammar applies only from the trigger on.
text, why = generate("--grammar", 'root ::= " was" " <" [0-9]{2} ">"', "--grammar-trigger", " was", "--temp", 0)
t.expect(re.fullmatch(r"((?! was).)* was <[0-9]{2}>", text, re.S), f"{text!r} does not match")
t.expect(len(text) > len(" was <00>"), f"{text!r} begins with the trigger")
free, _ = generate("--temp", 0)
t.expect(free.startswith(text[:text.index(" was")]), "a grammar with a trigger changed the text before it")
# A byte order mark at the beginning of a file is ignored.
(work / "mark.gbnf").write_bytes(b'\xef\xbb\xbfroot ::= " yes"')
text, _ = generate("--grammar-file", work / "mark.gbnf")
t.expect(text == " yes", f"{text!r} does not match")
print("grammars hold")


def refused(code, message, *options):
    done = subprocess.run([str(c) for c in (t.AIRRUN, plan, "-p", "x", *options)], capture_output=True, text=True)
    t.expect(done.returncode == code and message in done.stderr and done.stdout == ""
             and done.stderr.count("\n") == 1, f"{options}: exit {done.returncode}: {done.stderr}")


(work / "bad.gbnf").write_text('root ::= "a" |\n  item\nb ::= "x')
refused(3, "grammar: line 1, column 14: expected a part of a rule or the end of the line, but found '%'", "--grammar",
        'root ::= "a" % "b"')
refused(3, f"airrun: '{work / 'bad.gbnf'}': grammar: line 3, column 7: the text that begins here has no closing", "--grammar-file",
        work / "bad.gbnf")
refused(3, "grammar: line 1, column 10: rule 'x' is not defined", "--grammar", "root ::= x")
refused(3, "grammar: line 1, column 10: '<nope>' is not the text of a single token", "--grammar", "root ::= <nope>")
refused(4, "the schema at '/items/not': the keyword 'not' is not supported", "-j", '{"items": {"not": {}}}')
refused(3, "the schema: it is not valid JSON: the error is at line 1, column 2", "--json-schema", "{")
refused(8, "none.gbnf", "--grammar-file", work / "none.gbnf")
refused(2, "2 of --grammar, --grammar-file, --json-schema and --json-schema-file are given", "--grammar", "root ::= x", "-j", "{}")
refused(2, "--grammar-trigger is given without a grammar", "--grammar-trigger", "x")
refused(2, "--grammar-trigger: an empty text", "-j", "{}", "--grammar-trigger", "")
refused(2, "--ignore-eos would continue", "-j", "{}", "--ignore-eos")
print("errors are single lines with their codes")
