"""Writes configs.json: what transformers reads from tokenizer_config.json and the files beside it.

    pip install transformers==5.24.0 jinja2==3.1.6 && python3 make_configs.py

Each case has the name of a vocabulary of the folder json, whether it is written as vocab.json and merges.txt, the
files beside it, and what transformers makes of them: the ids of BOS, EOS, the unknown token and the padding, the ids
of two texts with the tokens that begin and end a text, and the chat templates by name.
"""

import json
import os
import tempfile

from transformers import AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = ["the time", "the</s>"]
JSON, GPT2 = {"tokenizer_class": "PreTrainedTokenizerFast"}, {"tokenizer_class": "GPT2Tokenizer"}
TOKEN = {"__type": "AddedToken", "content": "<s>", "lstrip": False, "normalized": False, "rstrip": False,
         "single_word": False}
LIST = [{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]
MAIN, TOOLS = "chat_template.jinja", "additional_chat_templates/tool_use.jinja"
CASES = [  # vocabulary, tokenizer_config.json, other files
    ("llama3", JSON, {}),
    ("llama3", {**JSON, "bos_token": "<s>", "eos_token": "</s>"}, {}),
    ("llama3", {**JSON, "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False, "add_eos_token": True}, {}),
    ("llama3", {**JSON, "bos_token": TOKEN, "eos_token": None}, {}),
    ("prefix", {**JSON, "bos_token": "<s>", "eos_token": "</s>", "add_eos_token": False}, {}),
    ("gpt2", {**GPT2, "bos_token": "<s>", "eos_token": "</s>"}, {}),
    ("gpt2", {**GPT2, "bos_token": TOKEN, "eos_token": "</s>", "add_bos_token": True}, {}),
    ("gpt2", {**GPT2, "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": True}, {}),
    ("gpt2", {**GPT2, "bos_token": None, "eos_token": "</s>", "add_bos_token": True, "add_eos_token": False}, {}),
    ("llama3", {**JSON, "chat_template": "A"}, {}),
    ("llama3", {**JSON, "chat_template": LIST}, {}),
    ("llama3", {**JSON, "chat_template": "A"}, {MAIN: "C\n"}),
    ("llama3", {**JSON, "chat_template": LIST}, {MAIN: "C", TOOLS: "D"}),
    ("llama3", {**JSON, "chat_template": LIST}, {TOOLS: "D"}),
    ("llama3", {**JSON, "unk_token": "</s>", "pad_token": "he"}, {}),
    ("prefix", {**JSON, "eos_token": "</s>", "unk_token": TOKEN, "pad_token": None}, {}),
    ("gpt2", {**GPT2, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<s>", "pad_token": "</s>"}, {}),
    ("wordpiece", {**JSON, "eos_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "the"}, {}),
    ("wordpiece", {**JSON, "eos_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "##s"}, {}),
]


def files(vocabulary, config, others):
    with open(os.path.join(HERE, "json", vocabulary.replace("gpt2", "llama3") + ".json"), encoding="utf-8") as file:
        whole = file.read()
    made = {"tokenizer_config.json": json.dumps(config), **others}
    if vocabulary != "gpt2":
        return {"tokenizer.json": whole, **made}
    model = json.loads(whole)["model"]
    merges = "".join(" ".join(merge) + "\n" for merge in model["merges"])
    return {"vocab.json": json.dumps(model["vocab"]), "merges.txt": "#version: 0.2\n" + merges, **made}


def case(vocabulary, config, others):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files(vocabulary, config, others).items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        made = AutoTokenizer.from_pretrained(folder)
        templates = made.chat_template or {}
        return {"vocabulary": vocabulary, "config": config, "files": others,
                "bos": made.bos_token_id, "eos": made.eos_token_id,
                "unk": made.unk_token_id, "pad": made.pad_token_id,
                "ids": [made(text).input_ids for text in TEXTS],
                "templates": {"default": templates} if isinstance(templates, str) else templates}


def main():
    with open(os.path.join(HERE, "configs.json"), "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(case(*each)) for each in CASES) + "\n]\n")


if __name__ == "__main__":
    main()
