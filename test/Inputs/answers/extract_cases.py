#!/usr/bin/env python3
"""extract_cases.py LLAMA_CPP FOLDER: write llama.cpp's published cases of parsed answers to FOLDER/cases.json.

The cases are calls of a builder in tests/test-chat.cpp. They are compiled with a builder that prints them, so a C++
compiler is needed, but nothing of llama.cpp is built. Cases for its continuation of messages and for unfinished
answers are left out. Set AIR_ANSWERS to FOLDER for AnswerCasesTest, which also reads LLAMA_CPP/models/templates
(AIR_TEMPLATES).
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
text = (source / "tests/test-chat.cpp").read_text()


def between(begin, end):
    start = text.index(begin)
    return text[start:text.index(end, start)]


def function(name):
    start = text.index(f"static void {name}(")
    return text[start:text.index("\n}\n", start) + 3]


def without_blocks(body, words):
    """Drops the innermost blocks of braces that use what is not a case."""
    for word in words:
        while word in body:
            at = body.index(word)
            depth, begin = 0, at
            while depth >= 0:
                begin -= 1
                depth += {"}": 1, "{": -1}.get(body[begin], 0)
            depth, end = 0, at
            while depth >= 0:
                depth += {"{": 1, "}": -1}.get(body[end], 0)
                end += 1
            body = body[:begin] + "{}" + body[end:]
    return body


PRELUDE = r"""
#include <nlohmann/json.hpp>
#include <iostream>
#include <string>
#include <vector>
using json = nlohmann::ordered_json;
struct common_chat_tool { std::string name, description, parameters; };
struct common_chat_tool_call { std::string name, arguments, id; };
struct common_chat_msg_content_part { std::string type, text; };
struct common_chat_msg {
  std::string role, content;
  std::vector<common_chat_msg_content_part> content_parts;
  std::vector<common_chat_tool_call> tool_calls;
  std::string reasoning_content, tool_name, tool_call_id;
};
enum common_reasoning_format { COMMON_REASONING_FORMAT_NONE, COMMON_REASONING_FORMAT_AUTO,
                               COMMON_REASONING_FORMAT_DEEPSEEK, COMMON_REASONING_FORMAT_DEEPSEEK_LEGACY };
enum common_chat_continuation { COMMON_CHAT_CONTINUATION_NONE, COMMON_CHAT_CONTINUATION_AUTO,
                                COMMON_CHAT_CONTINUATION_CONTENT, COMMON_CHAT_CONTINUATION_REASONING };
enum common_chat_tool_choice { COMMON_CHAT_TOOL_CHOICE_AUTO, COMMON_CHAT_TOOL_CHOICE_REQUIRED,
                               COMMON_CHAT_TOOL_CHOICE_NONE };
static json cases = json::array();
static std::string g_template_filter;
struct peg_test_builder {
  json c; bool skip = false; bool hasMessages = false;
  peg_test_builder &reasoning_format(int f) { c["splits_reasoning"] = f != 0; return *this; }
  peg_test_builder &tools(const std::vector<common_chat_tool> &t) {
    for (auto &x : t) c["tools"].push_back({{"type", "function"}, {"function", {{"name", x.name},
      {"description", x.description}, {"parameters", json::parse(x.parameters)}}}});
    return *this;
  }
  peg_test_builder &enable_thinking(bool v) { c["enable_thinking"] = v; return *this; }
  peg_test_builder &parallel_tool_calls(bool) { return *this; }
  peg_test_builder &add_generation_prompt(bool) { return *this; }
  peg_test_builder &continue_final_message(int) { skip = true; return *this; }
  peg_test_builder &json_schema(const std::string &) { skip = true; return *this; }
  peg_test_builder &is_partial(bool v) { skip = skip || v; return *this; }
  peg_test_builder &expect_reconstruction(bool = true) { return *this; }
  peg_test_builder &tool_choice(int) { return *this; }
  peg_test_builder &messages(const std::vector<common_chat_msg> &) { skip = true; return *this; }
  peg_test_builder &expect(const common_chat_msg &m) {
    return expect_content(m.content).expect_reasoning(m.reasoning_content).expect_tool_calls(m.tool_calls);
  }
  peg_test_builder &expect_content(const std::string &t) { c["content"] = t; return *this; }
  peg_test_builder &expect_reasoning(const std::string &t) { c["reasoning"] = t; return *this; }
  peg_test_builder &expect_tool_calls(const std::vector<common_chat_tool_call> &calls) {
    c["calls"] = json::array();
    for (auto &x : calls) c["calls"].push_back({{"name", x.name}, {"arguments", x.arguments}, {"id", x.id}});
    return *this;
  }
  void run() { if (!skip) cases.push_back(c); }
};
struct peg_tester {
  std::string path;
  peg_tester(const std::string &p, bool = false) : path(p.substr(p.rfind('/') + 1)) {}
  peg_test_builder test(const std::string &input) {
    peg_test_builder b;
    b.c = {{"template", path}, {"answer", input}, {"splits_reasoning", false}, {"content", ""}, {"reasoning", ""},
           {"calls", json::array()}};
    return b;
  }
};
"""
body = without_blocks(function("test_template_output_peg_parsers"),
                      ["read_templates(", "common_chat_templates", "common_peg_arena"])
body = re.sub(r"LOG_\w+\(.*?\);", "", body)
lfm = re.sub(r"LOG_\w+\(.*?\);", "", function("test_lfm2_parser"))
program = (PRELUDE + between("static common_chat_tool special_function_tool{", "// Use for PEG parser implementations") +
           lfm + body + "int main() { test_template_output_peg_parsers(false); std::cout << cases.dump(1); }\n")
with tempfile.TemporaryDirectory() as work:
    path = Path(work, "cases.cpp")
    path.write_text(program)
    subprocess.run(["g++", "-std=c++20", "-O0", "-w", path, "-o", Path(work, "cases")], check=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cases.json").write_bytes(subprocess.run([Path(work, "cases")], check=True, capture_output=True).stdout)
print(f"{folder / 'cases.json'} is written")
