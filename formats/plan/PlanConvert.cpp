//===- PlanConvert.cpp - plan records <-> the structs of formats/ ---------===//
#include "formats/plan/PlanConvert.h"

#include <string_view>

namespace air {

namespace {

std::string text(const flatbuffers::String *value) {
  return value == nullptr ? std::string() : value->str();
}

template <typename To, typename From>
std::vector<To> numbers(const flatbuffers::Vector<From> *values) {
  std::vector<To> list;
  if (values != nullptr) {
    list.reserve(values->size());
    for (From value : *values) {
      list.push_back(static_cast<To>(value));
    }
  }
  return list;
}

std::unique_ptr<plan::StringListT>
packStrings(const std::vector<std::string> &strings) {
  auto list = std::make_unique<plan::StringListT>();
  list->ends.reserve(strings.size());
  for (const std::string &string : strings) {
    list->bytes.insert(list->bytes.end(), string.begin(), string.end());
    list->ends.push_back(static_cast<uint32_t>(list->bytes.size()));
  }
  return list;
}

std::vector<std::string> unpackStrings(const plan::StringList *list) {
  std::vector<std::string> strings;
  if (list == nullptr || list->ends() == nullptr) {
    return strings;
  }
  // If the list has no blob, all of its strings are empty. The verifier has
  // checked that the ends ascend and lie inside the blob.
  const std::string_view blob =
      list->bytes() == nullptr
          ? std::string_view()
          : std::string_view(
                reinterpret_cast<const char *>(list->bytes()->data()),
                list->bytes()->size());
  strings.reserve(list->ends()->size());
  uint32_t begin = 0;
  for (uint32_t end : *list->ends()) {
    strings.emplace_back(blob.substr(begin, end - begin));
    begin = end;
  }
  return strings;
}

} // namespace

std::unique_ptr<plan::TokenizerT> toPlan(const TokenizerData &data) {
  auto record = std::make_unique<plan::TokenizerT>();
  record->kind = static_cast<plan::TokenizerKind>(data.kind);
  record->pre = data.pre;
  record->tokens = packStrings(data.tokens);
  record->scores = data.scores;
  record->types.reserve(data.types.size());
  for (TokenType type : data.types) {
    record->types.push_back(static_cast<uint8_t>(type));
  }
  record->merges = packStrings(data.merges);
  record->bos = data.bos;
  record->eos = data.eos;
  record->unknown = data.unknown;
  record->padding = data.padding;
  record->end_of_turn = data.endOfTurn;
  record->end_of_generation = data.endOfGeneration;
  record->add_bos = data.addBos;
  record->add_eos = data.addEos;
  record->add_space_prefix = data.addSpacePrefix;
  record->remove_extra_whitespaces = data.removeExtraWhitespaces;
  record->chat_template = data.chatTemplate;
  return record;
}

TokenizerData fromPlan(const plan::Tokenizer &record) {
  TokenizerData data;
  data.kind = static_cast<TokenizerKind>(record.kind());
  data.pre = text(record.pre());
  data.tokens = unpackStrings(record.tokens());
  data.scores = numbers<float>(record.scores());
  data.types = numbers<TokenType>(record.types());
  data.merges = unpackStrings(record.merges());
  data.bos = record.bos();
  data.eos = record.eos();
  data.unknown = record.unknown();
  data.padding = record.padding();
  data.endOfTurn = record.end_of_turn();
  data.endOfGeneration = numbers<int32_t>(record.end_of_generation());
  data.addBos = record.add_bos();
  data.addEos = record.add_eos();
  data.addSpacePrefix = record.add_space_prefix();
  data.removeExtraWhitespaces = record.remove_extra_whitespaces();
  data.chatTemplate = text(record.chat_template());
  return data;
}

std::unique_ptr<plan::SamplingT> toPlan(const SamplingDefaults &defaults) {
  if (defaults == SamplingDefaults()) {
    return nullptr;
  }
  auto record = std::make_unique<plan::SamplingT>();
  auto set = [](auto &field, const auto &value) {
    if (value) {
      field = *value;
    }
  };
  set(record->temperature, defaults.temperature);
  set(record->top_k, defaults.topK);
  set(record->top_p, defaults.topP);
  set(record->min_p, defaults.minP);
  set(record->repeat_penalty, defaults.repeatPenalty);
  set(record->repeat_last_n, defaults.repeatLastN);
  return record;
}

SamplingDefaults fromPlan(const plan::Sampling *record) {
  SamplingDefaults defaults;
  if (record == nullptr) {
    return defaults;
  }
  auto set = [](auto &field, const auto &value) {
    if (value.has_value()) {
      field = *value;
    }
  };
  set(defaults.temperature, record->temperature());
  set(defaults.topK, record->top_k());
  set(defaults.topP, record->top_p());
  set(defaults.minP, record->min_p());
  set(defaults.repeatPenalty, record->repeat_penalty());
  set(defaults.repeatLastN, record->repeat_last_n());
  return defaults;
}

std::unique_ptr<plan::MachineT> toPlan(const MachineProfile &profile) {
  auto record = std::make_unique<plan::MachineT>();
  record->name = profile.name;
  record->arch = profile.arch;
  record->features = profile.features;
  record->cores = profile.cores;
  record->memory_bytes = profile.memoryBytes;
  record->memory_bandwidth = profile.memoryBandwidth;
  record->disk_bandwidth = profile.diskBandwidth;
  record->measured = profile.measured;
  return record;
}

MachineProfile fromPlan(const plan::Machine &record) {
  MachineProfile profile;
  profile.name = text(record.name());
  profile.arch = text(record.arch());
  if (record.features() != nullptr) {
    for (const flatbuffers::String *feature : *record.features()) {
      profile.features.push_back(feature->str());
    }
  }
  profile.cores = record.cores();
  profile.memoryBytes = record.memory_bytes();
  profile.memoryBandwidth = record.memory_bandwidth();
  profile.diskBandwidth = record.disk_bandwidth();
  profile.measured = record.measured();
  return profile;
}

} // namespace air
