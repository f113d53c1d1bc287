#!/usr/bin/env python3
"""check_templates.py [--airrun PROGRAM] [--airpack PROGRAM] [--plans N] [--seed N] [FOLDER ...]: texts of chat templates, compared with transformers.

    pip install transformers==5.24.0 jinja2==3.1.6
    python3 tools/check_templates.py                                     # the templates of the tests
    python3 tools/check_templates.py llama.cpp/models/templates          # each *.jinja in a folder
    python3 tools/check_templates.py --plans 1000 llama.cpp/models/templates   # each also in a plan of its own

airrun renders each template for each conversation of test/Inputs/templates/compare.py. The output must equal that of
transformers, byte by byte; what transformers refuses, airrun must refuse with one line. transformers gets one filter that
it lacks, from_json, which some published templates use. The templates are given by --chat-template. N of them, chosen at
random, are also packed into a plan, which takes some seconds each. Differences are printed, and the exit code is 1.
"""
import argparse
import collections
import datetime
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jinja2
from transformers.utils import chat_template_utils

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/Inputs/templates"))
from compare import TALKS  # noqa: E402

MODEL = ROOT / "test/Inputs/models/tiny/qwen2.gguf"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
DAY = datetime.datetime(2024, 7, 26)


class FixedDate(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return DAY


def reference(source, talk):
    """The text that transformers renders, or None if it refuses the conversation."""
    more = {key: value for key, value in talk.items() if key != "messages"}
    more = {"add_generation_prompt": True, **TOKENS, **more}
    try:
        texts, _ = chat_template_utils.render_jinja_template([talk["messages"]], chat_template=source, **more)
        return texts[0].encode()
    except Exception:  # templates raise errors of all kinds
        return None


class Conversation:
    """The files and options with which airrun gets a conversation."""

    def __init__(self, name, talk, folder):
        rest = dict(talk)
        self.options = ["--date", f"{DAY:%Y-%m-%d}", "--messages", folder / f"{name}.json"]
        (folder / f"{name}.json").write_text(json.dumps(rest.pop("messages")))
        if "tools" in rest:
            (folder / f"{name}-tools.json").write_text(json.dumps(rest.pop("tools")))
            self.options += ["--tools", folder / f"{name}-tools.json"]
        if not rest.pop("add_generation_prompt", True):
            self.options.append("--no-generation-prompt")
        self.options += ["--kwargs", json.dumps({**TOKENS, **rest})]


def verdict(expected, done):
    """What is wrong with the output of airrun; "" if nothing is."""
    if expected is None:
        refused = done.returncode in (3, 4, 5) and done.stderr.count(b"\n") == 1
        return "" if refused else f"transformers refuses this, but airrun ends with code {done.returncode}"
    if done.returncode != 0:
        return done.stderr.decode(errors="replace").strip()
    if done.stdout == expected:
        return ""
    at = len(os.path.commonprefix([done.stdout, expected]))
    return f"byte {at}: {done.stdout[at:at + 40]!r} instead of {expected[at:at + 40]!r}"


def pack(airpack, template, folder):
    """A plan with the template as the model's own."""
    vocabulary = folder / "vocabulary"
    if not vocabulary.exists():
        subprocess.run([sys.executable, ROOT / "test/tools/tokenizer_json.py", MODEL, folder / "whole"], check=True)
        vocabulary.mkdir()
        shutil.copy(folder / "whole/tokenizer.json", vocabulary)
    shutil.copy(template, vocabulary / "chat_template.jinja")
    plan = folder / "model.air"
    subprocess.run([airpack, MODEL, "--tokenizer", vocabulary, "--target", "x86-64-v3", "-o", plan],
                   check=True, capture_output=True)
    return plan


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--airrun", default=ROOT / "build/dev/bin/airrun")
    parser.add_argument("--airpack", default=ROOT / "build/dev/bin/airpack")
    parser.add_argument("--plans", type=int, default=1, help="how many templates are packed into plans")
    parser.add_argument("--seed", type=int, default=1, help="decides which templates are packed")
    parser.add_argument("folders", nargs="*", type=Path, default=[ROOT / "test/Inputs/templates/own"])
    options = parser.parse_args()
    chat_template_utils.datetime = FixedDate
    jinja2.defaults.DEFAULT_FILTERS["from_json"] = json.loads
    templates = sorted(each for folder in options.folders for each in folder.glob("*.jinja"))
    if not templates:
        sys.exit(f"there is no *.jinja in {', '.join(map(str, options.folders))}")
    counts, differences = collections.Counter(), []
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(os.cpu_count()) as pool:
        talks = {name: Conversation(name, talk, Path(made)) for name, talk in TALKS.items()}
        expected = {}
        for template in templates:
            source = template.read_bytes().decode()
            for name, talk in TALKS.items():
                expected[template, name] = reference(source, talk)

        def check(how, template, arguments):
            def run(name):
                command = [options.airrun, "render", *arguments, *talks[name].options]
                return name, verdict(expected[template, name], subprocess.run(command, capture_output=True))
            for name, wrong in pool.map(run, talks):
                kind = "rendered" if expected[template, name] is not None else "refused"
                counts[how, "different" if wrong else kind] += 1
                if wrong:
                    differences.append(f"{template.name}, {name}, {how}: {wrong}")

        for template in templates:
            check("as a file", template, [MODEL, "--chat-template", template])
        for template in random.Random(options.seed).sample(templates, min(options.plans, len(templates))):
            check("in a plan", template, [pack(options.airpack, template, Path(made))])
    for difference in differences:
        print(difference)
    for how in ("as a file", "in a plan"):
        print(f"{how}: {counts[how, 'rendered']} texts are equal, {counts[how, 'refused']} conversations are refused by "
              f"both, {counts[how, 'different']} differ")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
