//===- PlanConvert.cpp - plan records <-> the structs of formats/ ---------===//
#include "formats/plan/PlanConvert.h"

#include "formats/plan/ProgramLimits.h"
#include "formats/text/jinja/Template.h"
#include "formats/text/regex/Regex.h"

#include <algorithm>
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
  // A list of empty strings may have no blob. The verifier has checked that the
  // end offsets ascend and do not exceed the size of the blob.
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

std::unique_ptr<plan::CpuRatesT> packRates(const CpuRates &rates) {
  auto record = std::make_unique<plan::CpuRatesT>();
  record->fma_f32 = rates.fmaF32;
  record->byte_dot = rates.byteDot;
  record->byte_dot_mixed = rates.byteDotMixed;
  record->bf16_dot = rates.bf16Dot;
  record->read_bandwidth = rates.readBandwidth;
  for (const StreamRate &stream : rates.streams) {
    auto entry = std::make_unique<plan::StreamRateT>();
    entry->loads = static_cast<plan::StreamLoads>(stream.loads);
    entry->hint = static_cast<plan::StreamHint>(stream.hint);
    entry->distance_bytes = stream.distanceBytes;
    entry->bandwidth = stream.bandwidth;
    record->streams.push_back(std::move(entry));
  }
  record->tile_ns = rates.tileNs;
  record->barrier_ns = rates.barrierNs;
  record->l1d_bytes = rates.l1dBytes;
  record->l2_bytes = rates.l2Bytes;
  record->l3_bytes = rates.l3Bytes;
  record->planes_decode = rates.planesDecode;
  record->zstd_decode = rates.zstdDecode;
  record->bf16_tile = rates.bf16Tile;
  record->byte_tile = rates.byteTile;
  return record;
}

CpuRates unpackRates(const plan::CpuRates &record) {
  CpuRates rates;
  rates.fmaF32 = record.fma_f32();
  rates.byteDot = record.byte_dot();
  rates.byteDotMixed = record.byte_dot_mixed();
  rates.bf16Dot = record.bf16_dot();
  rates.readBandwidth = record.read_bandwidth();
  if (record.streams() != nullptr) {
    for (const plan::StreamRate *stream : *record.streams()) {
      rates.streams.push_back({static_cast<StreamLoads>(stream->loads()),
                               static_cast<StreamHint>(stream->hint()),
                               stream->distance_bytes(), stream->bandwidth()});
    }
  }
  rates.tileNs = record.tile_ns();
  rates.barrierNs = record.barrier_ns();
  rates.l1dBytes = record.l1d_bytes();
  rates.l2Bytes = record.l2_bytes();
  rates.l3Bytes = record.l3_bytes();
  rates.planesDecode = record.planes_decode();
  rates.zstdDecode = record.zstd_decode();
  rates.bf16Tile = record.bf16_tile();
  rates.byteTile = record.byte_tile();
  return rates;
}

/// plan::NormalForm lists the forms in the order of NormalForm, but begins at
/// this value, because 0 means that text is not normalised.
constexpr uint8_t kFirstForm = static_cast<uint8_t>(plan::NormalForm::D);

/// Parses the templates of a plan. A template gets no program if it cannot be
/// parsed, or if the programs of the plan would together exceed the limits.
class ProgramPacker {
public:
  std::unique_ptr<plan::TemplateProgramT> pack(std::string_view source) {
    auto record = std::make_unique<plan::TemplateProgramT>();
    const Result<jinja::Template> parsed = jinja::Template::parse(source);
    if (!parsed) {
      return record;
    }
    jinja::ProgramCode code = parsed->program();
    uint64_t textBytes = 0;
    for (const std::string &each : code.texts) {
      textBytes += each.size() + sizeof(uint32_t);
    }
    const bool isSmall = words + code.words.size() <= kMaxPlanProgramWords &&
                         texts + textBytes <= kMaxPlanProgramTextBytes;
    // A program that readers would refuse is left out, too.
    if (isSmall && jinja::Template::load(code)) {
      words += code.words.size();
      texts += textBytes;
      record->words = std::move(code.words);
      record->texts = packStrings(code.texts);
    }
    return record;
  }

private:
  uint64_t words = 0;
  uint64_t texts = 0; ///< the size of all texts, in bytes
};

/// Compiles the expressions of the pre-tokenizer or of the pipeline. Returns an
/// empty list if one of them cannot be compiled, or if they are too large
/// together.
std::vector<std::unique_ptr<plan::RegexProgramT>>
packSplitters(const TokenizerData &data) {
  std::vector<std::unique_ptr<plan::RegexProgramT>> list;
  const TextPipeline &pipeline = data.rules.pipeline;
  if (data.kind != TokenizerKind::Bpe && !pipeline.isSet) {
    return list;
  }
  std::vector<std::string_view> expressions(data.rules.expressions.begin(),
                                            data.rules.expressions.end());
  for (const TextStep &step : pipeline.steps) {
    if (hasExpression(step)) {
      expressions.push_back(step.pattern);
    }
  }
  if (const PreTokenizerRules *named = preTokenizerRules(data.pre);
      named != nullptr && !data.rules.isSet) {
    expressions.assign(named->expressions.begin(), named->expressions.end());
  }
  uint64_t words = 0;
  for (std::string_view expression : expressions) {
    const Result<Regex> compiled = Regex::compile(
        expression, pipeline.isSet ? RegexAnchors::Lines : RegexAnchors::Text);
    if (!compiled) {
      return {};
    }
    list.push_back(std::make_unique<plan::RegexProgramT>());
    list.back()->words = compiled->code();
    words += list.back()->words.size();
  }
  if (words > kMaxPlanRegexWords) {
    list.clear();
  }
  return list;
}

std::vector<uint8_t> packBytes(const std::string &text) {
  return {text.begin(), text.end()};
}

std::string unpackBytes(const flatbuffers::Vector<uint8_t> *bytes) {
  return bytes == nullptr ? std::string()
                          : std::string(bytes->begin(), bytes->end());
}

std::unique_ptr<plan::TextPipelineT> packPipeline(const TextPipeline &from) {
  auto record = std::make_unique<plan::TextPipelineT>();
  for (const TextStep &step : from.steps) {
    auto packed = std::make_unique<plan::TextStepT>();
    packed->kind = static_cast<plan::TextStepKind>(step.kind);
    packed->flags = step.flags;
    packed->behavior = static_cast<plan::SplitBehavior>(step.behavior);
    packed->number = step.number;
    packed->pattern = packBytes(step.pattern);
    packed->content = packBytes(step.content);
    record->steps.push_back(std::move(packed));
  }
  record->normalizer_steps = from.normalizerSteps;
  record->word_prefix = packBytes(from.wordPrefix);
  record->word_suffix = packBytes(from.wordSuffix);
  record->longest_word = from.longestWord;
  record->rendering = static_cast<plan::TokenRendering>(from.rendering);
  record->mark = packBytes(from.mark);
  record->tidies_english = from.tidiesEnglish;
  return record;
}

TextPipeline unpackPipeline(const plan::TextPipeline &record) {
  TextPipeline made;
  made.isSet = true;
  for (uint32_t i = 0; record.steps() != nullptr && i < record.steps()->size();
       ++i) {
    const plan::TextStep &step = *record.steps()->Get(i);
    made.steps.push_back({static_cast<TextStepKind>(step.kind()), step.flags(),
                          static_cast<SplitBehavior>(step.behavior()),
                          step.number(), unpackBytes(step.pattern()),
                          unpackBytes(step.content())});
  }
  made.normalizerSteps = record.normalizer_steps();
  made.wordPrefix = unpackBytes(record.word_prefix());
  made.wordSuffix = unpackBytes(record.word_suffix());
  made.longestWord = record.longest_word();
  made.rendering = static_cast<TokenRendering>(record.rendering());
  made.mark = unpackBytes(record.mark());
  made.tidiesEnglish = record.tidies_english();
  return made;
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
  if (!data.namedTemplates.empty()) {
    std::vector<std::string> names;
    std::vector<std::string> texts;
    for (const auto &[name, source] : data.namedTemplates) {
      names.push_back(name);
      texts.push_back(source);
    }
    record->template_names = packStrings(names);
    record->templates = packStrings(texts);
  }
  if (!data.chatTemplate.empty() || !data.namedTemplates.empty()) {
    ProgramPacker packer;
    record->programs.push_back(packer.pack(data.chatTemplate));
    for (const auto &[name, source] : data.namedTemplates) {
      record->programs.push_back(packer.pack(source));
    }
  }
  record->splitters = packSplitters(data);
  record->lowercase = data.lowercase;
  record->strip_accents = data.stripAccents;
  record->charsmap.assign(data.charsmap.begin(), data.charsmap.end());
  record->matching = data.matching;
  if (data.rules.isSet) {
    record->rules = std::make_unique<plan::TextRulesT>();
    plan::TextRulesT &rules = *record->rules;
    rules.expressions = packStrings(data.rules.expressions);
    rules.ignore_merges = data.rules.ignoreMerges;
    rules.form = data.rules.form
                     ? static_cast<plan::NormalForm>(
                           static_cast<uint8_t>(*data.rules.form) + kFirstForm)
                     : plan::NormalForm::None;
    rules.spelling = static_cast<plan::TokenSpelling>(data.rules.spelling);
    rules.prefix = static_cast<plan::SpacePrefix>(data.rules.prefix);
    if (data.rules.pipeline.isSet) {
      rules.pipeline = packPipeline(data.rules.pipeline);
    }
  }
  record->after_bos = data.afterBos;
  record->before_eos = data.beforeEos;
  return record;
}

jinja::ProgramCode fromPlan(const plan::TemplateProgram &record) {
  jinja::ProgramCode code;
  code.words = numbers<uint32_t>(record.words());
  code.texts = unpackStrings(record.texts());
  return code;
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
  std::vector<std::string> names = unpackStrings(record.template_names());
  std::vector<std::string> texts = unpackStrings(record.templates());
  for (size_t i = 0; i < std::min(names.size(), texts.size()); ++i) {
    data.namedTemplates[names[i]] = std::move(texts[i]);
  }
  if (record.programs() != nullptr) {
    for (uint32_t i = 0; i < record.programs()->size(); ++i) {
      jinja::ProgramCode code = fromPlan(*record.programs()->Get(i));
      if (!code.words.empty()) {
        data.templatePrograms[i == 0 ? "" : names[i - 1]] = std::move(code);
      }
    }
  }
  if (record.splitters() != nullptr) {
    for (const plan::RegexProgram *splitter : *record.splitters()) {
      data.splitters.push_back(numbers<uint32_t>(splitter->words()));
    }
  }
  data.lowercase = record.lowercase();
  data.stripAccents = record.strip_accents();
  data.matching = numbers<uint8_t>(record.matching());
  if (const plan::TextRules *rules = record.rules()) {
    data.rules.isSet = true;
    data.rules.expressions = unpackStrings(rules->expressions());
    data.rules.ignoreMerges = rules->ignore_merges();
    if (rules->form() != plan::NormalForm::None) {
      data.rules.form = static_cast<NormalForm>(
          static_cast<uint8_t>(rules->form()) - kFirstForm);
    }
    data.rules.spelling = static_cast<TokenSpelling>(rules->spelling());
    data.rules.prefix = static_cast<SpacePrefix>(rules->prefix());
    if (rules->pipeline() != nullptr) {
      data.rules.pipeline = unpackPipeline(*rules->pipeline());
    }
  }
  data.afterBos = numbers<int32_t>(record.after_bos());
  data.beforeEos = numbers<int32_t>(record.before_eos());
  if (record.charsmap() != nullptr) {
    data.charsmap.assign(record.charsmap()->begin(), record.charsmap()->end());
  }
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
  set(record->xtc_probability, defaults.xtcProbability);
  set(record->xtc_threshold, defaults.xtcThreshold);
  set(record->mirostat, defaults.mirostat);
  set(record->mirostat_tau, defaults.mirostatTau);
  set(record->mirostat_eta, defaults.mirostatEta);
  set(record->typical_p, defaults.typicalP);
  for (SamplerKind kind : defaults.samplers) {
    record->samplers.push_back(
        static_cast<plan::SamplerKind>(static_cast<uint8_t>(kind)));
  }
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
  set(defaults.xtcProbability, record->xtc_probability());
  set(defaults.xtcThreshold, record->xtc_threshold());
  set(defaults.mirostat, record->mirostat());
  set(defaults.mirostatTau, record->mirostat_tau());
  set(defaults.mirostatEta, record->mirostat_eta());
  set(defaults.typicalP, record->typical_p());
  defaults.samplers = numbers<SamplerKind>(record->samplers());
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
  record->disk_beside = profile.diskBeside;
  record->memory_beside = profile.memoryBeside;
  record->measured = profile.measured;
  if (profile.cpu != CpuRates{}) {
    record->cpu = packRates(profile.cpu);
  }
  for (const GpuProfile &gpu : profile.gpus) {
    auto device = std::make_unique<plan::DeviceT>();
    device->kind = plan::DeviceKind::Cuda;
    device->name = gpu.name;
    device->arch = gpu.arch;
    device->memory_bytes = gpu.memoryBytes;
    device->memory_bandwidth = gpu.memoryBandwidth;
    device->link_bandwidth = gpu.transferBandwidth;
    device->multiprocessors = gpu.multiprocessors;
    record->devices.push_back(std::move(device));
  }
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
  profile.diskBeside = record.disk_beside();
  profile.memoryBeside = record.memory_beside();
  profile.measured = record.measured();
  if (record.cpu() != nullptr) {
    profile.cpu = unpackRates(*record.cpu());
  }
  if (record.devices() != nullptr) {
    for (const plan::Device *device : *record.devices()) {
      GpuProfile &gpu = profile.gpus.emplace_back();
      gpu.name = text(device->name());
      gpu.memoryBytes = device->memory_bytes();
      gpu.memoryBandwidth = device->memory_bandwidth();
      gpu.transferBandwidth = device->link_bandwidth();
      gpu.arch = text(device->arch());
      gpu.multiprocessors = device->multiprocessors();
    }
  }
  return profile;
}

} // namespace air
