//===- JinjaTest.cpp - templates against jinja2 -----------------*- C++ -*-===//
//
// jinja2 3.1.6 made the expected outputs in test/Inputs/templates/
// (make_cases.py). If AIR_TEMPLATES names a folder of published templates,
// jinja2 renders them, too (compare.py), and the outputs are compared.
//
//===----------------------------------------------------------------------===//
#include "formats/text/jinja/Json.h"
#include "formats/text/jinja/Template.h"
#include "formats/text/jinja/Text.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

/// The entry point of the fuzz target. It aborts when a property is violated.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

using namespace air;
using namespace air::jinja;

namespace {

constexpr Date kDate{2024, 7, 26};

std::string readText(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

Value readJson(const std::string &path, bool tainted = false) {
  Result<Value> value = fromJson(readText(path), tainted);
  EXPECT_TRUE(value.isOk()) << path << ": " << value.status().message();
  return value.isOk() ? *value : Value();
}

std::string field(const Value &dict, const char *name) {
  const Value *value = dict.as<DictObject>().find(name);
  return value == nullptr ? "" : toUtf8(str(*value));
}

/// Renders a template after its program has been written and read, so every
/// expected output also tests the programs that plans contain.
Result<Rendered> render(const std::string &source, const Value &context) {
  Result<Template> parsed = Template::parse(source);
  if (!parsed.isOk()) {
    return parsed.status();
  }
  const ProgramCode code = parsed->program();
  Result<Template> loaded = Template::load(code);
  if (!loaded.isOk()) {
    return internalError(loaded.status().message());
  }
  EXPECT_EQ(loaded->program(), code) << source;
  return loaded->render(context, kDate);
}

Result<Rendered> render(const std::string &source,
                        const std::string &context = "{}") {
  Result<Value> value = fromJson(context, true);
  EXPECT_TRUE(value.isOk()) << context;
  return render(source, *value);
}

/// Checks one case and returns whether the result is what jinja2 gives.
bool agrees(const Value &test, const std::string &name,
            const std::string &source, const Value &context) {
  Result<Rendered> got = render(source, context);
  std::string error = field(test, "error");
  if (error.empty()) {
    EXPECT_TRUE(got.isOk()) << name << "\n  " << got.status().message();
    if (got.isOk()) {
      EXPECT_EQ(got->text, field(test, "output")) << name;
    }
    return got.isOk() && got->text == field(test, "output");
  }
  EXPECT_FALSE(got.isOk()) << name << "\n  expected an error (" << error
                           << "), but got: " << (got.isOk() ? got->text : "");
  if (got.isOk()) {
    return false;
  }
  const std::string &message = got.status().message();
  EXPECT_TRUE(message.starts_with("template line ")) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  int code = got.status().exitCode();
  if (error == "refused") {
    EXPECT_EQ(code, 3) << name;
    EXPECT_NE(message.find("refuses the conversation"), std::string::npos)
        << message;
  } else {
    EXPECT_TRUE(code == 3 || code == 4 || code == 5) << name << ": " << message;
  }
  return true;
}

TEST(JinjaTest, TheTableAgreesWithJinja2) {
  Value all = readJson(std::string(AIR_TEST_INPUTS) + "/templates/cases.json");
  ASSERT_TRUE(all.is(Kind::Dict));
  const Value *cases = all.as<DictObject>().find("cases");
  const Value *context = all.as<DictObject>().find("context");
  ASSERT_TRUE(cases != nullptr && context != nullptr);
  EXPECT_GT(cases->items().size(), 400U);
  for (const Value &test : cases->items()) {
    std::string source = field(test, "source");
    agrees(test, source, source, *context);
  }
}

/// Checks the cases of a file that compare.py has written for the templates in
/// `folder`.
void compareFile(const std::string &path, const std::string &folder) {
  Value all = readJson(path, true);
  ASSERT_TRUE(all.is(Kind::Dict));
  const Value *cases = all.as<DictObject>().find("cases");
  const Value *contexts = all.as<DictObject>().find("contexts");
  ASSERT_TRUE(cases != nullptr && contexts != nullptr);
  EXPECT_GT(cases->items().size(), 0U) << path;
  size_t same = 0;
  for (const Value &test : cases->items()) {
    std::string name = field(test, "template");
    std::string talk = field(test, "talk");
    const Value *context = contexts->as<DictObject>().find(talk);
    ASSERT_NE(context, nullptr) << talk;
    std::string source = readText(folder + "/" + name);
    same += agrees(test, name + ": " + talk, source, *context) ? 1 : 0;
  }
  std::printf("%zu of %zu cases agree with jinja2\n", same,
              cases->items().size());
}

TEST(JinjaTest, OwnTemplatesAgreeWithJinja2) {
  const std::string folder = std::string(AIR_TEST_INPUTS) + "/templates/own";
  compareFile(folder + ".json", folder);
}

TEST(JinjaTest, PublishedTemplatesAgreeWithJinja2) {
  const char *folder = std::getenv("AIR_TEMPLATES");
  if (folder == nullptr) {
    GTEST_SKIP() << "AIR_TEMPLATES is not set: llama.cpp's templates are not "
                    "tested";
  }
  std::string path = testing::TempDir() + "template-cases." +
                     std::to_string(getpid()) + ".json";
  std::string command = "python3 '" + std::string(AIR_TEST_INPUTS) +
                        "/templates/compare.py' '" + folder + "' '" + path +
                        "'";
  int status = std::system(command.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    GTEST_SKIP() << "python3 has no jinja2 3.1.6: llama.cpp's templates are "
                    "not tested";
  }
  ASSERT_EQ(status, 0) << command;
  compareFile(path, folder);
  std::remove(path.c_str());
}

std::string codesOf(const Text &text) {
  std::string all;
  for (const char32_t c : text) {
    char code[16];
    std::snprintf(code, sizeof(code), "%x", static_cast<unsigned>(c));
    all += (all.empty() ? "" : ",") + std::string(code);
  }
  return all;
}

// Compares each printable character with what Python returns for it
// (case_mappings.py). Python may have another version of Unicode, so characters
// that only one of the two versions contains are left out.
TEST(JinjaTest, CasesAreThoseOfPython) {
  if (std::getenv("AIR_TEST_ALL") == nullptr) {
    GTEST_SKIP() << "AIR_TEST_ALL is not set; cases.json has some characters";
  }
  const std::string path =
      testing::TempDir() + "case-mappings." + std::to_string(getpid()) + ".txt";
  const std::string command = "python3 '" + std::string(AIR_TEST_INPUTS) +
                              "/templates/case_mappings.py' > '" + path + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream lines(path);
  std::string code;
  std::string expected;
  int compared = 0;
  while (lines >> code && std::getline(lines, expected)) {
    const auto c = static_cast<char32_t>(std::stoul(code, nullptr, 16));
    if (!isPrintable(c)) {
      continue;
    }
    const Text text(1, c);
    Text upper;
    Text title;
    Text folded;
    appendUpper(c, upper);
    appendTitle(c, title);
    appendFolded(c, folded);
    const std::string found =
        " " + codesOf(upper) + " " + codesOf(lowered(text)) + " " +
        codesOf(title) + " " + codesOf(folded) + " " +
        codesOf(isUpper(c)   ? lowered(text)
                : isLower(c) ? upper
                             : text) +
        (isUpperText(text) ? " 1" : " 0") + (isLowerText(text) ? " 1" : " 0");
    EXPECT_EQ(found, expected) << code;
    ++compared;
  }
  EXPECT_GT(compared, 100'000);
  std::remove(path.c_str());
}

std::string spans(const Rendered &rendered) {
  std::string out;
  for (TaintedSpan span : rendered.tainted) {
    out += "[" + rendered.text.substr(span.begin, span.end - span.begin) + "]";
  }
  return out;
}

TEST(JinjaTest, TaintMarksWhatTheCallerWrote) {
  const std::string context = R"({"u": "<|end|>", "m": {"<|k|>": "x|y"}})";
  const std::pair<const char *, const char *> cases[] = {
      {"<|end|>{{ u }}<|end|>", "[<|end|>]"},
      {"{{ '<|' ~ u ~ '|>' }}", "[<|end|>]"},
      {"{{ u | upper }}", "[<|END|>]"},
      {"{{ u | replace('end', 'im') }}", "[<|][|>]"},
      {"{{ 'a-b' | replace('-', u) }}", "[<|end|>]"},
      {"{{ u[2:5] }}", "[end]"},
      {"{{ u.split('|') | join('|') }}", "[<][end][>]"},
      {"{{ [u] }}", "[<|end|>]"},
      {"{{ m | tojson }}", "[<|k|>][x|y]"},
      {"{{ '%s!' % u }}", "[<|end|>]"},
      {"{{ '{}!'.format(u) }}", "[<|end|>]"},
      {"{{ u | list | join }}", "[<|end|>]"},
      {"{% for c in u %}{{ c }}{% endfor %}", "[<|end|>]"},
      {"{% set x %}a{{ u }}b{% endset %}{{ x }}", "[<|end|>]"},
      {"{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(u) }}", "[<|end|>]"},
      {"{{ u | trim | capitalize | indent | string }}", "[<|end|>]"},
      {"{% for k, v in m.items() %}{{ k }}={{ v }}{% endfor %}",
       "[<|k|>][x|y]"},
      {"{{ '\"<|a|>\"' | from_json }}", ""},
      {"{{ u | tojson | from_json }}", "[<|end|>]"},
      {"{{ u | reverse }}{{ u | escape }}", "[>|dne|<&lt;|end|&gt;]"},
      {"{{ ('<' | safe) + u }}", "[&lt;|end|&gt;]"},
      {"{{ ('<%s>' | safe) % u }}", "[&lt;|end|&gt;]"},
  };
  for (const auto &[source, expected] : cases) {
    Result<Rendered> got = render(source, context);
    ASSERT_TRUE(got.isOk()) << source << ": " << got.status().message();
    EXPECT_EQ(spans(*got), expected) << source;
  }
}

TEST(JinjaTest, ErrorsNameTheLineAndTheColumn) {
  const std::string huge = "{{ 0x1" + std::string(3572, '0') + " }}";
  const std::tuple<const char *, int, const char *> cases[] = {
      {"a\n  {{ x | nofilter }}", 4,
       "template line 2, column 10: the filter 'nofilter' is not supported"},
      {"{% frob %}", 4,
       "template line 1, column 4: the tag 'frob' is not supported"},
      {"{{ 1 is frob }}", 4,
       "template line 1, column 9: the test 'frob' is not supported"},
      {"{{ ('a' | safe).unescape() }}", 4,
       "template line 1, column 25: the method 'unescape' of a str is not "
       "supported"},
      {"\n\n {% if x %}", 3,
       "template line 3, column 12: the template ends, but the tag 'if' is "
       "still open; add {% endif %}"},
      {"{{ a.b.c }}", 3, "template line 1, column 5: 'a' is undefined"},
      {"é{{ 1 / 0 }}", 3,
       "template line 1, column 7: a number is divided by 0"},
      {"{{ raise_exception(\"roles\nmust 'alternate'\") }}", 3,
       "template line 1, column 19: the template refuses the conversation and "
       "says 'roles\\x0amust \\x27alternate\\x27'"},
      {"{{ 'a'.partition('') }}", 3,
       "template line 1, column 17: str.partition: the separator is empty"},
      {"{{ 'a'.rpartition('') }}", 3,
       "template line 1, column 18: str.rpartition: the separator is empty"},
      {huge.c_str(), 3,
       "template line 1, column 4: this integer has more than 4300 decimal "
       "digits, which is Python's limit"},
      {"a\nb{{ '\xff' }}", 3,
       "template line 2, column 6: the byte 0xff does not begin a character in "
       "UTF-8"},
  };
  for (const auto &[source, code, message] : cases) {
    Result<Rendered> got = render(source);
    ASSERT_FALSE(got.isOk()) << source;
    EXPECT_EQ(got.status().message(), message);
    EXPECT_EQ(got.status().exitCode(), code) << source;
  }
}

// Python can do all of this. cases.json has what templates can do, too.
TEST(JinjaTest, TemplatesDoNotComputeWithIntegersBeyond64Bits) {
  const std::pair<const char *, const char *> cases[] = {
      {"n + 1", "'+' cannot compute with an integer that does not fit into 64"},
      {"n is even", "'%' cannot compute with an integer that does not fit"},
      {"n | abs", "filter 'abs': the integer does not fit into 64 bits"},
      {"n | round", "filter 'round': the integer does not fit into 64 bits"},
      {"'%d' % n", "can only be formatted with %s or {}"},
      {"'%x' % n", "can only be formatted with %s or {}"},
      {"'%.1f' % n", "can only be formatted with %s or {}"},
      {"'{:30}'.format(n)", "can only be formatted with %s or {}"},
      {"'{:,}'.format(n)", "can only be formatted with %s or {}"},
      {"'%*d' % (n, 5)", "can only be formatted with %s or {}"},
      {"'a' * n", "'*' cannot compute with an integer that does not fit"},
      {"range(n)", "range() cannot count to an integer that does not fit"},
      {"'a' | truncate(n)",
       "filter 'truncate': 'length' is an integer that does not fit into 64"},
  };
  for (const auto &[source, why] : cases) {
    const Status status = render("{{ " + std::string(source) + " }}",
                                 R"({"n": 1)" + std::string(20, '0') + "}")
                              .status();
    EXPECT_EQ(status.exitCode(), 4) << source << ": " << status.message();
    EXPECT_NE(status.message().find(why), std::string::npos)
        << source << ": " << status.message();
  }
}

TEST(JinjaTest, WrongTypesAreNotMistakenForLargeIntegers) {
  const std::pair<const char *, const char *> cases[] = {
      {"'x' + n",
       "'+' cannot combine a value of type str with one of type int"},
      {"[1] + n", "'+' cannot combine a value of type list with one of type"},
      {"'%*d' % ('a', 5)", "'*' in a format needs an integer"},
      {"'%c' % n", "%c needs one character, or its number"},
  };
  for (const auto &[source, why] : cases) {
    const Status status = render("{{ " + std::string(source) + " }}",
                                 R"({"n": 1)" + std::string(20, '0') + "}")
                              .status();
    EXPECT_EQ(status.exitCode(), 3) << source << ": " << status.message();
    EXPECT_NE(status.message().find(why), std::string::npos)
        << source << ": " << status.message();
  }
}

// docs/plan-format.md explains the words of this template one by one.
TEST(JinjaTest, AProgramHasTheDocumentedWords) {
  Result<Template> parsed = Template::parse("Hi {{ name }}");
  ASSERT_TRUE(parsed.isOk());
  const ProgramCode code = {{2, 0, 1, 1, 0, 1, 1, 7, 1, 1, 7, 1},
                            {"Hi ", "name"}};
  EXPECT_EQ(parsed->program(), code);
}

TEST(JinjaTest, MalformedProgramsAreRefused) {
  // The texts are "a", "", "x\ny", "==" and "12". {0, 1, 1, 0} is a constant
  // whose kind is 0, and {1, 1, 1, 0} is the variable a.
  const std::pair<std::vector<uint32_t>, const char *> cases[] = {
      {{}, "word 0 of 0: the program is incomplete"},
      {{1}, "the count is 1, but the remaining 0 words can hold at most 0"},
      {{UINT32_MAX}, "the count is 4294967295"},
      {{0, 0}, "word 0 of 2: the program ends here, but is followed by 1 word"},
      {{1, 13, 1, 1}, "a statement's kind is 13; it must be below 13"},
      {{1, 0, 0, 1, 0}, "the place is line 0, column 1"},
      {{1, 0, 1, 0, 0}, "the place is line 1, column 0"},
      {{1, 0, 1, 1}, "word 3 of 4: the program is incomplete"},
      {{1, 0, 1, 1, 5}, "the index of a text is 5; it must be below 5"},
      {{1, 1, 1, 1, 20, 1, 1}, "an expression's kind is 20; it must be below"},
      {{1, 1, 1, 1, 1, 1, 1, 1}, "a name is empty or contains a control"},
      {{1, 1, 1, 1, 1, 1, 1, 2}, "a name is empty or contains a control"},
      {{1, 1, 1, 1, 0, 1, 1, 0},
       "a constant has the unknown kind 0; kinds 1 to 6 are known"},
      {{1, 1, 1, 1, 0, 1, 1, 7}, "a constant's kind is 7; it must be below 7"},
      {{1, 1, 1, 1, 0, 1, 1, 2, 2}, "a flag is 2; it must be below 2"},
      {{1, 1, 1, 1, 0, 1, 1, 3, 2}, "the program is incomplete"},
      {{1, 1, 1, 1, 0, 1, 1, 4, 0}, "an integer is not written in decimal"},
      {{1, 1, 1, 1, 0, 1, 1, 4, 1}, "an integer is not written in decimal"},
      {{1, 1, 1, 1, 0, 1, 1, 4, 4}, "the integer 12 fits into 64 bits, but"},
      // a list that claims 100 items, and a dictionary with a key but no value
      {{1, 1, 1, 1, 2, 1, 1, 100}, "the count is 100"},
      {{1, 1, 1, 1, 4, 1, 1, 1, 1, 1, 1, 0}, "a dictionary has 1 operand;"},
      {{1, 1, 1, 1, 18, 1, 1, 3}, "'==' is not an operator"},
      {{1, 1, 1, 1, 19, 1, 1, 1, 0}, "'a' is not an operator"},
      {{1, 1, 1, 1, 19, 1, 1, 0}, "a comparison has no operator"},
      // {{ | a }}, a filter without an operand
      {{1, 1, 1, 1, 9, 1, 1, 0, 0, 0, 0, 0, 0},
       "a filter has no operand; only the first filter of a filter block or "
       "set block may have none"},
      // {% filter %} with the variable `a` where a filter is needed
      {{1, 8, 1, 1, 1, 1, 1, 0, 0},
       "the value of a filter block or set block is not a filter"},
      // the same with {% set a | ... %}
      {{1, 5, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0},
       "the value of a filter block or set block is not a filter"},
      // {% filter %} with a filter that has the variable `a` as its operand
      {{1, 8, 1, 1, 9, 1, 1, 0, 1, 1, 1, 1, 0},
       "the first filter of a filter block or set block has an operand"},
      // {% call %} with the variable `a` where a call is needed
      {{1, 7, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0}, "the value of a call block is"},
      {{1, 6, 1, 1, 0, 8}, "what a macro uses is 8; it must be below 8"},
      // an assignment to an attribute whose name has a control character
      {{1, 4, 1, 1, 1, 1, 0, 0, 2}, "the name of an attribute contains"},
  };
  for (const auto &[words, message] : cases) {
    const Result<Template> loaded =
        Template::load({words, {"a", "", "x\ny", "==", "12"}});
    ASSERT_FALSE(loaded.isOk()) << message;
    EXPECT_EQ(loaded.status().exitCode(), 3);
    EXPECT_NE(loaded.status().message().find(message), std::string::npos)
        << loaded.status().message() << "\n  expected: " << message;
  }
  EXPECT_EQ(Template::load({{0}, {"a", "\xff"}}).status().message(),
            "text 1 is not UTF-8");
  // an integer just within 64 bits, one just beyond, and the longest ones
  const auto withInteger = [](const std::string &digits) {
    return Template::load({{1, 1, 1, 1, 0, 1, 1, 4, 0}, {digits}}).status();
  };
  EXPECT_EQ(withInteger("9223372036854775807").message(),
            "word 8 of 9: the integer 9223372036854775807 fits into 64 bits, "
            "but is written in decimal digits");
  EXPECT_TRUE(withInteger("9223372036854775808").isOk());
  EXPECT_TRUE(withInteger(std::string(4300, '9')).isOk());
  EXPECT_EQ(withInteger(std::string(4301, '9')).message(),
            "word 8 of 9: an integer has 4301 decimal digits; at most 4300 are "
            "allowed");
  // The program of this template consists of the number of outputs (one word)
  // and 40,000 outputs of seven words each.
  std::string outputs;
  for (int i = 0; i < 40'000; ++i) {
    outputs += "{{a}}";
  }
  const Result<Template> many = Template::parse(outputs);
  ASSERT_TRUE(many.isOk()) << many.status().message();
  const ProgramCode code = many->program();
  EXPECT_EQ(code.words.size(), 280'001U);
  EXPECT_EQ(Template::load(code).status().message(),
            "the program has 280001 words; at most 262144 are allowed");
  // 20 texts of a million bytes each; the program stores the bytes only once
  std::vector<uint32_t> copies = {20};
  for (int i = 0; i < 20; ++i) {
    copies.insert(copies.end(), {0, 1, 1, 0});
  }
  EXPECT_NE(
      Template::load({copies, {std::string(1'000'000, 'x')}})
          .status()
          .message()
          .find("counted once for each use, have more than 16777216 bytes"),
      std::string::npos);
  EXPECT_TRUE(Template::load({copies, {std::string(800'000, 'x')}}).isOk());
  // 50,000 negations, and as many scopes
  std::vector<uint32_t> deep = {1, 1, 1, 1};
  std::vector<uint32_t> scopes;
  for (int i = 0; i < 50'000; ++i) {
    deep.insert(deep.end(), {15, 1, 1});
    scopes.insert(scopes.end(), {1, 10, 1, 1});
  }
  for (const std::vector<uint32_t> &words : {deep, scopes}) {
    EXPECT_NE(Template::load({words, {}})
                  .status()
                  .message()
                  .find("nested deeper than 300 levels"),
              std::string::npos);
  }
}

// Whatever the words of a program are, the program either runs or is refused
// with a message of one line.
TEST(JinjaTest, DamagedProgramsDoNoHarm) {
  Value all = readJson(std::string(AIR_TEST_INPUTS) + "/templates/cases.json");
  ASSERT_TRUE(all.is(Kind::Dict));
  const Value &context = *all.as<DictObject>().find("context");
  std::mt19937 random(1);
  size_t accepted = 0;
  size_t refused = 0;
  for (const Value &test : all.as<DictObject>().find("cases")->items()) {
    Result<Template> parsed = Template::parse(field(test, "source"));
    if (!parsed.isOk()) {
      continue;
    }
    const ProgramCode good = parsed->program();
    for (int i = 0; i < 8; ++i) {
      ProgramCode code = good;
      uint32_t &word = code.words[random() % code.words.size()];
      word =
          i % 2 == 0 ? random() % 24 : code.words[random() % code.words.size()];
      const Result<Template> loaded = Template::load(code);
      const Status status = loaded.isOk()
                                ? loaded->render(context, kDate).status()
                                : loaded.status();
      EXPECT_EQ(status.message().find('\n'), std::string::npos)
          << status.message();
      ++(loaded.isOk() ? accepted : refused);
    }
  }
  EXPECT_GT(accepted, 500U);
  EXPECT_GT(refused, 500U);
}

TEST(JinjaTest, TheFuzzTargetAcceptsTheTable) {
  Value all = readJson(std::string(AIR_TEST_INPUTS) + "/templates/cases.json");
  ASSERT_TRUE(all.is(Kind::Dict));
  const auto &parts = all.as<DictObject>();
  Result<Text> context = toJson(*parts.find("context"), {});
  ASSERT_TRUE(context.isOk());
  for (const Value &test : parts.find("cases")->items()) {
    std::string input = toUtf8(*context) + "\n" + field(test, "source");
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(input.data()),
                           input.size());
  }
}

TEST(JinjaTest, WhatNeverEndsIsStopped) {
  const std::string wide =
      "{% for a in range(7000) %}" + std::string(10'000, 'x') + "{% endfor %}";
  const std::pair<const char *, const char *> cases[] = {
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
       "calls are nested too deeply: the limit is 1000 levels"},
      {"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}"
       "{% endfor %}",
       "takes more than 5000000 steps"},
      {"{{ range(100001) | length }}", "a range has more than 100000"},
      {"{{ 'a' * 1000000000 }}", "the limit is 16777216"},
      {"{{ [0] * 1000000000 }}", "the limit is 16777216"},
      {"{% set n = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}"
       "{% set n.x = n.x + n.x %}{% endfor %}",
       "the limit is 16777216"},
      {"{% set n = namespace(x=[1]) %}{% for i in range(99) %}"
       "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
       "a value has 67108864 or more characters and items in total"},
      {"{% set n = namespace(x=[1]) %}{% for i in range(9999) %}"
       "{% set n.x = [n.x] %}{% endfor %}",
       "a value is nested deeper than 400"},
      {"{% for a in range(100000) %}{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * "
       "1000 }}{% endfor %}",
       "takes more than 5000000 steps"},
      {wide.c_str(), "the output exceeds the limit of 67108864"},
      {"{{ '%100001d' % 1 }}", "format is greater than 100000"},
      {"{{ '%.100001f' | format(1) }}", "format is greater than 100000"},
      {"{{ '%*d' | format(100001, 1) }}", "format is greater than 100000"},
      {"{{ '{:999999999999999999999}'.format(1) }}",
       "format is greater than 100000"},
  };
  for (const auto &[source, why] : cases) {
    Result<Rendered> got = render(source);
    ASSERT_FALSE(got.isOk()) << source;
    EXPECT_EQ(got.status().exitCode(), 5) << got.status().message();
    EXPECT_NE(got.status().message().find(why), std::string::npos)
        << got.status().message();
  }
  EXPECT_EQ(render("{{ ('%100000d' % 1) | length }}")->text, "100000");
  for (const char *source : {"{{ [1] | batch(1000001, 0) | list }}",
                             "{{ [1] | slice(1000001) | list }}"}) {
    EXPECT_NE(render(source).status().message().find(
                  "is 1000001; it must be 1 to 1000000"),
              std::string::npos);
  }
}

TEST(JinjaTest, DeepNestingIsRefused) {
  for (const char *piece : {"(", "[", "{% if 1 %}", "not ", "-"}) {
    std::string text = piece[0] == '{' ? "" : "{{ ";
    for (int i = 0; i < 100000; ++i) {
      text += piece;
    }
    if (piece[0] != '{') {
      const char *close = piece[0] == '(' ? ")" : piece[0] == '[' ? "]" : "";
      text += "1";
      for (int i = 0; i < 100000; ++i) {
        text += close;
      }
      text += " }}";
    }
    Result<Rendered> got = render(text);
    ASSERT_FALSE(got.isOk()) << piece;
    EXPECT_EQ(got.status().exitCode(), 4) << got.status().message();
  }
  // 70 nested calls, with 100 nested attributes of the result of each call
  std::string call = "{{ ";
  std::string end;
  for (int i = 0; i < 70; ++i) {
    call += "f(";
    end += ")";
    for (int j = 0; j < 100; ++j) {
      end += ".a";
    }
  }
  EXPECT_EQ(render(call + "1" + end + " }}").status().exitCode(), 4);
  std::string sum = "{{ 1";
  for (int i = 0; i < 100000; ++i) {
    sum += "+1";
  }
  EXPECT_EQ(render(sum + " }}").status().exitCode(), 4);
}

// The calls and the expressions are not nested too deeply by themselves, but
// they are together.
TEST(JinjaTest, DeepExpressionsInDeepCallsAreStopped) {
  const std::string source = "{% macro f() %}{{ " + std::string(140, '-') +
                             "f() }}{% endmacro %}{{ f() }}";
  Result<Rendered> got = render(source);
  ASSERT_FALSE(got.isOk());
  EXPECT_EQ(got.status().exitCode(), 5) << got.status().message();
}

// The filters of a filter block or set block count as expressions, too. The
// first filter calls the macro while all the others wait for it.
TEST(JinjaTest, LongChainsOfFiltersInDeepCallsAreStopped) {
  std::string filters = "default(f())";
  for (int i = 0; i < 145; ++i) {
    filters += "|trim";
  }
  for (const std::string &body :
       {"{% filter " + filters + " %}x{% endfilter %}",
        "{% set y | " + filters + " %}x{% endset %}"}) {
    Result<Rendered> got =
        render("{% macro f() %}" + body + "{% endmacro %}{{ f() }}");
    ASSERT_FALSE(got.isOk());
    EXPECT_EQ(got.status().exitCode(), 5) << got.status().message();
    EXPECT_NE(got.status().message().find(
                  "expressions are nested too deeply: the limit is 2500"),
              std::string::npos)
        << got.status().message();
  }
}

TEST(JinjaTest, ValuesThatReferToThemselvesAreFreed) {
  Result<Rendered> got =
      render("{% set n = namespace() %}{% set n.n = n %}{% for i in [1] "
             "recursive %}{{ loop.changed(loop) }}{% set n.l = loop %}"
             "{% macro m() %}{% endmacro %}{% set n.m = m %}{% endfor %}");
  EXPECT_TRUE(got.isOk()) << got.status().message();
}

TEST(JinjaTest, TheDateMustBeGiven) {
  Result<Template> parsed = Template::parse("{{ strftime_now('%Y') }}");
  ASSERT_TRUE(parsed.isOk());
  Result<Value> context = fromJson("{}", true);
  EXPECT_EQ(parsed->render(*context, Date{1999, 1, 2})->text, "1999");
  EXPECT_EQ(parsed->render(*context).status().exitCode(), 2);
}

TEST(JinjaTest, MalformedJsonIsRefused) {
  for (const char *text :
       {"", "{", "[1,]", "{\"a\":}", "nul", "1 2", "\"\xff\"", "{1:2}"}) {
    EXPECT_EQ(fromJson(text, true).status().exitCode(), 3) << text;
  }
  // Python's json module reports the same positions, except that for a misspelt
  // word, such as "nul", it reports the first character of the word.
  const std::pair<const char *, const char *> places[] = {
      {"[1,]", "line 1, column 4"},
      {"{\"a\":}", "line 1, column 6"},
      {"[1 2]", "line 1, column 4"},
      {"[\n  \"é\" \"b\"]", "line 2, column 9"},
      {"[1,\nnul]", "line 2, column 4"},
      {"[", "line 1, column 2"},
      {"[1]\n\n x", "line 3, column 2"},
      {"[\"a\nb\"]", "line 1, column 4"},
      {"{\"a\": 1, b: 2}", "line 1, column 10"},
  };
  for (const auto &[text, place] : places) {
    EXPECT_EQ(fromJson(text, true).status().message(),
              std::string("it is not valid JSON: the error is at ") + place);
  }
  const std::string digits = "1" + std::string(400, '0');
  for (const std::string &number : {std::string("-1e400"), digits}) {
    EXPECT_EQ(fromJson("[1,\n 2, " + number + "]", true).status().message(),
              "the number at line 2, column 5 does not fit in a 64-bit "
              "floating-point number");
  }
  EXPECT_TRUE(fromJson(digits.substr(0, 309), true).isOk());
  std::string deep(100000, '[');
  EXPECT_EQ(fromJson(deep, true).status().exitCode(), 3);
  // A list of 262143 numbers has 262144 values, because it is one itself.
  std::string many = "[0";
  for (int i = 1; i < 262'143; ++i) {
    many += ",0";
  }
  EXPECT_TRUE(fromJson(many + "]", true).isOk());
  EXPECT_EQ(fromJson(many + ",0]", true).status().message(),
            "it has more than 262144 values (texts, numbers, lists, objects)");
}

} // namespace
