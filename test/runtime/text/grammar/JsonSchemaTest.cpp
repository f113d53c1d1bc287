//===- JsonSchemaTest.cpp - schemas, and the JSON that they allow ---------===//
//
// schemas.json has schemas, and values that the Python package jsonschema has
// judged (make_schema_cases.py). The grammar of a schema must accept the
// compact text of a value if and only if the package calls the value valid.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/grammar/JsonSchema.h"

#include "GrammarTexts.h"

#include <algorithm>
#include <cstdlib>
#include <gmock/gmock.h>

using namespace air;
using namespace air::rt;
using nlohmann::json;
using testing::HasSubstr;

namespace {

TEST(JsonSchemaTest, JudgesAsTheReferenceDoes) {
  int values = 0;
  for (const json &each : readJson(AIR_TEST_INPUTS "/grammar/schemas.json")) {
    auto grammar = grammarOfSchema(each["schema"].get<std::string>());
    if (each["valid"].empty()) {
      EXPECT_EQ(grammar.status().code(), ErrorCode::Corrupt) << each["schema"];
      EXPECT_THAT(grammar.status().message(),
                  testing::AnyOf(HasSubstr("matches no text"),
                                 HasSubstr("no text matches the schema")));
      continue;
    }
    ASSERT_TRUE(grammar.isOk()) << each["schema"] << "\n"
                                << grammar.status().message();
    for (const char *kind : {"valid", "invalid"}) {
      bool isValid = kind == std::string("valid");
      for (const json &text : each[kind]) {
        EXPECT_EQ(accepts(*grammar, text.get<std::string>()), isValid)
            << each["schema"] << "\n"
            << text;
        ++values;
      }
    }
  }
  EXPECT_GT(values, 300);
}

TEST(JsonSchemaTest, TextsThatAreNotCompact) {
  for (const json &each : readJson(AIR_TEST_INPUTS "/grammar/texts.json")) {
    auto grammar = grammarOfSchema(each["schema"].dump());
    ASSERT_TRUE(grammar.isOk()) << grammar.status().message();
    for (const json &text : each["accepts"]) {
      EXPECT_TRUE(accepts(*grammar, text.get<std::string>()))
          << each["schema"] << "\n"
          << text;
    }
    for (const json &text : each["rejects"]) {
      EXPECT_FALSE(accepts(*grammar, text.get<std::string>()))
          << each["schema"] << "\n"
          << text;
    }
  }
}

TEST(JsonSchemaTest, RefusalsNameThePlace) {
  for (const json &each : readJson(AIR_TEST_INPUTS "/grammar/refusals.json")) {
    std::string text = each["schema"].is_string()
                           ? each["schema"].get<std::string>()
                           : each["schema"].dump();
    auto grammar = grammarOfSchema(text);
    ASSERT_FALSE(grammar.isOk()) << text;
    EXPECT_EQ(grammar.status().exitCode(), each["code"].get<int>())
        << grammar.status().message();
    EXPECT_THAT(grammar.status().message(),
                HasSubstr(each["error"].get<std::string>()));
    EXPECT_EQ(grammar.status().message().find('\n'), std::string::npos);
  }
}

TEST(JsonSchemaTest, ContradictionsAreNamed) {
  const std::pair<const char *, const char *> cases[] = {
      {R"({"enum": []})", "the schema: enum and const allow no value"},
      {R"({"enum": [1, "a"], "type": "null"})",
       "the schema: no value of enum or const fulfils the other keywords"},
      {R"({"type": "string", "minLength": 5, "maxLength": 3})",
       "the schema: minLength 5 is above maxLength 3"},
      {R"({"type": "array", "minItems": 2, "maxItems": 1})",
       "the schema: minItems 2 is above maxItems 1"},
      {R"({"type": "integer", "minimum": 7, "maximum": -2.5})",
       "the schema: no number is at least 7 and at most -2.5"},
      {R"({"type": "number", "exclusiveMinimum": 7, "exclusiveMaximum": 7})",
       "the schema: no number is above 7 and below 7"},
      {R"({"required": ["a"], "properties": {"a": false}, "type": "object"})",
       "the schema at '/properties/a': no type of value is allowed"},
      {R"({"allOf": [{"type": "null"}, {"type": "string"}]})",
       "the schema: no type of value is allowed"}};
  for (const auto &[schema, why] : cases) {
    auto grammar = grammarOfSchema(schema);
    EXPECT_EQ(grammar.status().code(), ErrorCode::Corrupt) << schema;
    EXPECT_EQ(grammar.status().message(),
              why + std::string(", so no text matches the schema"));
  }
}

TEST(JsonSchemaTest, MistakesInJsonHaveAPlace) {
  EXPECT_EQ(grammarOfSchema("{\n  \"type\": x}").status().message(),
            "the schema: it is not valid JSON: the error is at line 2, column "
            "11");
  EXPECT_EQ(grammarOfSchema("{\n  \"maximum\": 1e400}").status().message(),
            "the schema: the number at line 2, column 14 does not fit in a "
            "64-bit floating-point number");
}

TEST(JsonSchemaTest, DeepNestingIsRefused) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += "{\"items\":";
  }
  auto grammar = grammarOfSchema(deep);
  ASSERT_FALSE(grammar.isOk());
  EXPECT_THAT(grammar.status().message(),
              HasSubstr("nested deeper than 200 levels"));
}

/// Whether `grammar` was refused for a reason that contains `why`.
bool isUnsupported(const Result<std::shared_ptr<const Grammar>> &grammar,
                   const char *why) {
  return grammar.status().code() == ErrorCode::Unsupported &&
         grammar.status().message().find(why) != std::string::npos;
}

TEST(JsonSchemaTest, ManyCombinationsAreRefused) {
  // Each of the `count` elements of "allOf" is a choice between two schemas, so
  // there are 2^count combinations.
  const auto choices = [](int count) {
    json all = json::array();
    for (int i = 0; i < count; ++i) {
      all.push_back({{"anyOf", json::array({true, true})}});
    }
    return json{{"type", "null"}, {"allOf", all}}.dump();
  };
  EXPECT_TRUE(grammarOfSchema(choices(9)).isOk());
  EXPECT_TRUE(isUnsupported(grammarOfSchema(choices(10)),
                            "have more than 1000 combinations"));
  // The 20,000 x 100 combinations must be refused before any of them is made.
  json both = {{"anyOf", json(20'000, true)}, {"oneOf", json::array()}};
  for (int i = 0; i < 100; ++i) {
    both["oneOf"].push_back({{"const", i}});
  }
  EXPECT_TRUE(isUnsupported(grammarOfSchema(both.dump()),
                            "have more than 1000 combinations"));
}

// The schemas of shapesOf() share the limit on the work for proofs.
TEST(JsonSchemaTest, ProofsAreCountedTogether) {
  const json schema = {{"oneOf", {{{"type", "null"}}, {{"type", "number"}}}}};
  const Result<SchemaDocument> document = SchemaDocument::parse(schema.dump());
  ASSERT_TRUE(document.isOk()) << document.status().message();
  ProofCount proofs;
  std::string reason;
  const auto shapes = [&] {
    return shapesOf(*document, {&document->root()}, reason, proofs);
  };
  uint64_t used = 0;
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(shapes().isOk());
    used = i == 1 ? proofs.steps : used;
    EXPECT_GT(used, 0U);
    EXPECT_EQ(proofs.steps, i * used);
  }
}

// Each property needs proofs that take a third of what is allowed: 15 x 15
// pairs of enums with 1,200 values each, which are compared one by one.
TEST(JsonSchemaTest, ProofsAreLimited) {
  if (std::getenv("AIR_TEST_ALL") == nullptr) {
    GTEST_SKIP() << "AIR_TEST_ALL is not set; the test takes seconds";
  }
  const auto withProperties = [](int count) {
    json defs = json::object();
    for (const char *name : {"a", "b"}) {
      json values = json::array();
      for (int i = 0; i < 1'200; ++i) {
        values.push_back(i + (*name == 'a' ? 0 : 10'000));
      }
      defs[name] = {{"enum", values}};
    }
    json sides = json::array();
    for (const char *name : {"#/$defs/a", "#/$defs/b"}) {
      sides.push_back({{"anyOf", json(15, {{"$ref", name}})}});
    }
    json properties = json::object();
    for (int i = 0; i < count; ++i) {
      properties["p" + std::to_string(i)] = {{"oneOf", sides}};
    }
    return json{{"type", "object"},
                {"properties", properties},
                {"additionalProperties", false},
                {"$defs", defs}}
        .dump();
  };
  EXPECT_TRUE(grammarOfSchema(withProperties(1)).isOk());
  EXPECT_TRUE(isUnsupported(grammarOfSchema(withProperties(4)),
                            "oneOf is only supported if"));
}

TEST(JsonSchemaTest, ManyRulesAreRefused) {
  if (std::getenv("AIR_TEST_ALL") == nullptr) {
    GTEST_SKIP() << "AIR_TEST_ALL is not set; the test takes seconds";
  }
  // There are five cycles of definitions. Each definition is an array whose
  // items match the next definition of its cycle. A value must match one
  // definition of each cycle, so its items must match the next definition of
  // each cycle, and so on. The lengths of the cycles are different prime
  // numbers, so 11 * 13 * 17 * 19 * 23 combinations of definitions occur.
  json schema = {{"allOf", json::array()}, {"$defs", json::object()}};
  for (const int length : {11, 13, 17, 19, 23}) {
    const auto name = [&](int i) {
      return std::to_string(length) + "-" + std::to_string(i % length);
    };
    schema["allOf"].push_back({{"$ref", "#/$defs/" + name(0)}});
    for (int i = 0; i < length; ++i) {
      schema["$defs"][name(i)] = {
          {"type", "array"}, {"items", {{"$ref", "#/$defs/" + name(i + 1)}}}};
    }
  }
  EXPECT_TRUE(isUnsupported(grammarOfSchema(schema.dump()),
                            "needs more than 200000 combinations of schemas"))
      << grammarOfSchema(schema.dump()).status().message();
}

/// Whether the schema may allow a text although llama.cpp rejects it: llama.cpp
/// limits the digits of numbers, forbids additional properties unless the
/// schema has the keyword "additionalProperties", and assumes that a schema
/// with "minItems" allows only arrays.
bool isValidAllTheSame(const json &each, const std::string &text) {
  const std::string schema = each["schema"];
  auto has = [&](const char *what) {
    return schema.find(what) != std::string::npos;
  };
  return text.size() > 15 ||
         (!has("additionalProperties") && text.starts_with('{')) ||
         (has("minItems") && !has("array") && !text.starts_with('['));
}

TEST(JsonSchemaTest, PublishedCases) {
  const char *folder = std::getenv("AIR_GRAMMARS");
  if (folder == nullptr) {
    GTEST_SKIP() << "AIR_GRAMMARS is not set";
  }
  int refused = 0;
  for (const json &each : readJson(std::string(folder) + "/schemas.json")) {
    auto grammar = grammarOfSchema(each["schema"].get<std::string>());
    // Two of the schemas are refused. One has a list as "items", which JSON
    // Schema of 2020 does not allow. The other has "uniqueItems", which is not
    // supported, and which llama.cpp ignores.
    const std::string why = grammar.status().message();
    if (why.find("write prefixItems") != std::string::npos ||
        why.find("'uniqueItems' is not supported") != std::string::npos) {
      EXPECT_EQ(grammar.status().code(), ErrorCode::Unsupported);
      ++refused;
      continue;
    }
    ASSERT_TRUE(grammar.isOk()) << each["schema"] << "\n"
                                << grammar.status().message();
    for (const json &text : each["accepts"]) {
      EXPECT_TRUE(accepts(*grammar, text.get<std::string>()))
          << each["schema"] << "\n"
          << text;
    }
    for (const json &text : each["rejects"]) {
      EXPECT_FALSE(accepts(*grammar, text.get<std::string>()) &&
                   !isValidAllTheSame(each, text.get<std::string>()))
          << each["schema"] << "\n"
          << text;
    }
  }
  EXPECT_LE(refused, 2);
}

// extract_cases.py takes the cases from JSON-Schema-Test-Suite. It writes many
// texts of each value: the members of objects in every order, and numbers and
// strings in several spellings. A grammar need not allow all of them, but it
// must allow a text of each valid value, and no text of an invalid one.
TEST(JsonSchemaTest, PublishedTestSuite) {
  const char *folder = std::getenv("AIR_GRAMMARS");
  if (folder == nullptr ||
      !std::ifstream(std::string(folder) + "/suite.json").good()) {
    GTEST_SKIP() << "AIR_GRAMMARS is not set, or its folder has no suite.json";
  }
  int schemas = 0;
  int right = 0;
  int values = 0;
  for (const json &each : readJson(std::string(folder) + "/suite.json")) {
    auto grammar = grammarOfSchema(each["schema"].get<std::string>());
    if (grammar.status().code() == ErrorCode::Unsupported) {
      continue;
    }
    // The schemas are well-formed, so any other error says that no text matches
    // the schema.
    ++schemas;
    for (const char *kind : {"valid", "invalid"}) {
      for (const json &texts : each[kind]) {
        const bool isAccepted =
            grammar.isOk() &&
            std::any_of(texts.begin(), texts.end(), [&](const json &text) {
              return accepts(*grammar, text.get<std::string>());
            });
        const bool isRight = isAccepted == (kind == std::string("valid"));
        EXPECT_TRUE(isRight) << each["name"] << "\n"
                             << each["schema"] << "\n"
                             << texts[0];
        right += isRight ? 1 : 0;
        ++values;
      }
    }
  }
  std::cout << right << " of " << values << " values of " << schemas
            << " schemas are judged rightly\n";
  EXPECT_GT(schemas, 150);
}

} // namespace
