//===- VerifyModel.cpp - rules of model, tokenizer, machine, provenance ---===//
#include "formats/machine/MachineProfile.h"
#include "formats/model/SamplingDefaults.h"
#include "formats/model/TokenizerData.h"
#include "formats/plan/PlanRules.h"
#include "formats/support/CountText.h"
#include "formats/support/Digest.h"
#include "formats/support/NumberText.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace air::rules {

Status verifyPresence(const plan::Plan &plan) {
  const struct {
    const char *field;
    bool present;
  } parts[] = {
      {"model", plan.model() != nullptr},
      {"tokenizer", plan.tokenizer() != nullptr},
      {"machine", plan.machine() != nullptr},
      {"segments", sizeOf(plan.segments()) != 0},
      {"tensors", sizeOf(plan.tensors()) != 0},
      {"executables", sizeOf(plan.executables()) != 0},
      {"buffers", sizeOf(plan.buffers()) != 0},
      {"programs", sizeOf(plan.programs()) != 0},
      {"reads", sizeOf(plan.reads()) != 0},
      {"placements", sizeOf(plan.placements()) != 0},
      {"codegen_fingerprint", !textOf(plan.codegen_fingerprint()).empty()},
  };
  for (const auto &part : parts) {
    if (!part.present) {
      return broken("plan.present", part.field, "is missing or empty");
    }
  }
  return Status::ok();
}

Status verifyModel(const plan::Plan &plan) {
  const plan::Hyperparameters &model = *plan.model();
  if (textOf(model.architecture()).empty()) {
    return broken("plan.model.sizes", "model", "the architecture is empty");
  }
  // A model without attention has no caches, and may have no heads.
  const uint64_t leastHeads = sizeOf(plan.caches()) == 0 ? 0 : 1;
  const struct {
    const char *field;
    uint64_t value;
    uint64_t least;
  } sizes[] = {
      {"vocabulary", model.vocabulary(), 1},
      {"width", model.width(), 1},
      {"layers", model.layers(), 1},
      {"heads", model.heads(), leastHeads},
      {"kv_heads", model.kv_heads(), leastHeads},
      {"head_dim", model.head_dim(), leastHeads},
      {"ffn_width", model.ffn_width(), 1},
      {"trained_context", model.trained_context(), 1},
  };
  for (const auto &size : sizes) {
    if (size.value < size.least || size.value > INT32_MAX) {
      return broken("plan.model.sizes", "model",
                    std::string(size.field) + " is " + str(size.value) +
                        "; it must be " + str(size.least) + " to " +
                        str(INT32_MAX));
    }
  }
  if (model.kv_heads() == 0 ? model.heads() != 0
                            : model.heads() % model.kv_heads() != 0) {
    return broken("plan.model.heads", "model",
                  "there are " + str(model.heads()) + " heads and " +
                      countOf(model.kv_heads(), "KV head") +
                      "; the heads must be a multiple of the KV heads");
  }
  return Status::ok();
}

Status verifyStrings(const plan::StringList *list, const char *field) {
  const auto *ends = list == nullptr ? nullptr : list->ends();
  const uint32_t bytes = list == nullptr ? 0 : sizeOf(list->bytes());
  uint32_t last = 0;
  for (uint32_t i = 0; i < sizeOf(ends); ++i) {
    const uint32_t end = ends->Get(i);
    if (end < last || end > bytes) {
      return broken("plan.tokenizer.strings", field,
                    "string " + str(i) + " ends at byte " + str(end) +
                        "; the end must be at least " + str(last) +
                        ", the end of the string before it, and at most " +
                        str(bytes));
    }
    last = end;
  }
  if (last != bytes) {
    return broken("plan.tokenizer.strings", field,
                  "the last string ends at byte " + str(last) +
                      ", but the strings have " + str(bytes) + " bytes");
  }
  return Status::ok();
}

static Status verifyTokenIds(const plan::Tokenizer &tokenizer,
                             uint32_t tokens) {
  const struct {
    const char *field;
    int32_t id;
  } specials[] = {
      {"bos", tokenizer.bos()},
      {"eos", tokenizer.eos()},
      {"unknown", tokenizer.unknown()},
      {"padding", tokenizer.padding()},
      {"end_of_turn", tokenizer.end_of_turn()},
  };
  for (const auto &special : specials) {
    const int32_t id = special.id;
    if (id < TokenizerData::kNoToken ||
        (id >= 0 && static_cast<uint32_t>(id) >= tokens)) {
      return broken("plan.tokenizer.ids", special.field,
                    "is " + std::to_string(id) + "; it must be -1 to " +
                        std::to_string(int64_t{tokens} - 1));
    }
  }
  const struct {
    const char *field;
    const flatbuffers::Vector<int32_t> *ids;
    int32_t beside;
    bool isAdded;
  } lists[] = {
      {"after_bos", tokenizer.after_bos(), tokenizer.bos(),
       tokenizer.add_bos()},
      {"before_eos", tokenizer.before_eos(), tokenizer.eos(),
       tokenizer.add_eos()},
  };
  for (const auto &list : lists) {
    for (uint32_t i = 0; i < sizeOf(list.ids); ++i) {
      const int32_t id = list.ids->Get(i);
      if (id < 0 || static_cast<uint32_t>(id) >= tokens || list.beside < 0 ||
          !list.isAdded) {
        return broken("plan.tokenizer.ids", list.field,
                      "contains " + std::to_string(id) +
                          "; it must be a token below " + str(tokens) +
                          ", and the token beside it must be added to texts");
      }
    }
  }
  const auto *ends = tokenizer.end_of_generation();
  for (uint32_t i = 0; i < sizeOf(ends); ++i) {
    const int32_t id = ends->Get(i);
    if (id < 0 || static_cast<uint32_t>(id) >= tokens) {
      return broken("plan.tokenizer.ids", "end_of_generation",
                    "contains " + std::to_string(id) + ", but there are " +
                        str(tokens) + " tokens");
    }
    if (i != 0 && id <= ends->Get(i - 1)) {
      return broken("plan.tokenizer.ids", "end_of_generation",
                    "must be in ascending order without duplicates, but has " +
                        std::to_string(id) + " after " +
                        std::to_string(ends->Get(i - 1)));
    }
  }
  return Status::ok();
}

/// Checks that the fields for normalising text are set only if the kind of
/// vocabulary uses them.
static Status verifyNormalisation(const plan::Tokenizer &tokenizer) {
  const char *kind = plan::EnumNameTokenizerKind(tokenizer.kind());
  const bool hasPipeline =
      tokenizer.rules() != nullptr && tokenizer.rules()->pipeline() != nullptr;
  if (tokenizer.kind() == plan::TokenizerKind::WordLevel && !hasPipeline) {
    return broken("plan.tokenizer.pipeline", "tokenizer",
                  "the kind is WordLevel, but there is no pipeline; only "
                  "tokenizers with a pipeline may be of this kind");
  }
  if (sizeOf(tokenizer.charsmap()) != 0 &&
      tokenizer.kind() != plan::TokenizerKind::Unigram && !hasPipeline) {
    return broken(
        "plan.tokenizer.charsmap", "charsmap",
        "has " + str(sizeOf(tokenizer.charsmap())) +
            " bytes, but the tokenizer is of kind " + kind +
            "; only the kind Unigram, and tokenizers with a pipeline, "
            "have a charsmap");
  }
  const bool isWordPiece = tokenizer.kind() == plan::TokenizerKind::WordPiece;
  if (tokenizer.lowercase() && !isWordPiece &&
      tokenizer.kind() != plan::TokenizerKind::Bpe) {
    return broken("plan.tokenizer.lowercase", "tokenizer",
                  "lowercase is true, but the kind is " + std::string(kind) +
                      "; it may be true only for the kinds Bpe and WordPiece");
  }
  if (tokenizer.strip_accents() && !isWordPiece) {
    return broken("plan.tokenizer.lowercase", "tokenizer",
                  "strip_accents is true, but the kind is " +
                      std::string(kind) +
                      "; it may be true only for the kind WordPiece");
  }
  const plan::TextRules *rules = tokenizer.rules();
  if (rules == nullptr) {
    return Status::ok();
  }
  if (hasPipeline) {
    return verifyPipeline(tokenizer);
  }
  if (tokenizer.kind() != plan::TokenizerKind::Bpe &&
      tokenizer.kind() != plan::TokenizerKind::Unigram) {
    return broken("plan.tokenizer.rules", "rules",
                  "are present, but the tokenizer is of kind " +
                      std::string(kind) +
                      "; only the kinds Bpe and Unigram have rules");
  }
  AIR_RETURN_IF_ERROR(verifyStrings(rules->expressions(), "expressions"));
  const struct {
    const char *field;
    uint8_t value;
    const char *name;
  } enums[] = {
      {"form", static_cast<uint8_t>(rules->form()),
       plan::EnumNameNormalForm(rules->form())},
      {"spelling", static_cast<uint8_t>(rules->spelling()),
       plan::EnumNameTokenSpelling(rules->spelling())},
      {"prefix", static_cast<uint8_t>(rules->prefix()),
       plan::EnumNameSpacePrefix(rules->prefix())},
  };
  for (const auto &each : enums) {
    AIR_RETURN_IF_ERROR(
        checkEnum("tokenizer.rules", each.field, each.value, each.name));
  }
  return Status::ok();
}

Status verifyTokenizer(const plan::Plan &plan) {
  const plan::Tokenizer &tokenizer = *plan.tokenizer();
  AIR_RETURN_IF_ERROR(checkEnum("tokenizer", "kind",
                                static_cast<uint8_t>(tokenizer.kind()),
                                plan::EnumNameTokenizerKind(tokenizer.kind())));
  AIR_RETURN_IF_ERROR(verifyStrings(tokenizer.tokens(), "tokens"));
  AIR_RETURN_IF_ERROR(verifyStrings(tokenizer.merges(), "merges"));
  AIR_RETURN_IF_ERROR(verifyTemplates(tokenizer));
  const uint32_t tokens =
      tokenizer.tokens() == nullptr ? 0 : sizeOf(tokenizer.tokens()->ends());
  const uint32_t scores = sizeOf(tokenizer.scores());
  const uint32_t types = sizeOf(tokenizer.types());
  if ((tokenizer.kind() == plan::TokenizerKind::None) != (tokens == 0)) {
    return broken(
        "plan.tokenizer.kind", "tokenizer",
        "the kind is " +
            std::string(plan::EnumNameTokenizerKind(tokenizer.kind())) +
            " and there are " + str(tokens) +
            " tokens; a tokenizer of kind None must have no tokens, and one of "
            "another kind at least one");
  }
  if (tokens > plan.model()->vocabulary()) {
    return broken("plan.tokenizer.vocabulary", "tokenizer",
                  "there are " + str(tokens) +
                      " tokens, but the model's vocabulary has " +
                      str(plan.model()->vocabulary()));
  }
  if (types != tokens) {
    return broken("plan.tokenizer.types", "tokenizer",
                  "there are " + str(types) + " types for " +
                      countOf(tokens, "token") +
                      "; there must be one for each token");
  }
  for (uint32_t i = 0; i < types; ++i) {
    if (tokenizer.types()->Get(i) > static_cast<uint8_t>(TokenType::Byte)) {
      return broken("plan.tokenizer.types", "token " + str(i),
                    "type " + str(tokenizer.types()->Get(i)) +
                        " is unknown; types 0 to " +
                        str(static_cast<uint8_t>(TokenType::Byte)) +
                        " are known");
    }
  }
  const bool needsScores = tokenizer.kind() == plan::TokenizerKind::Spm ||
                           tokenizer.kind() == plan::TokenizerKind::Unigram;
  if (scores != tokens && (needsScores || scores != 0)) {
    return broken("plan.tokenizer.scores", "tokenizer",
                  "there are " + str(scores) + " scores for " +
                      countOf(tokens, "token") +
                      "; there must be one for each token");
  }
  for (uint32_t i = 0; i < scores; ++i) {
    if (std::isnan(tokenizer.scores()->Get(i))) {
      return broken("plan.tokenizer.scores", "token " + str(i),
                    "the score is not a number");
    }
  }
  AIR_RETURN_IF_ERROR(verifyNormalisation(tokenizer));
  AIR_RETURN_IF_ERROR(verifySplitters(tokenizer));
  const uint32_t matching = sizeOf(tokenizer.matching());
  if (matching != 0 && matching != tokens) {
    return broken("plan.tokenizer.matching", "tokenizer",
                  "there are match flags for " + str(matching) + " of " +
                      countOf(tokens, "token") +
                      "; there must be flags for all or none");
  }
  for (uint32_t i = 0; i < matching; ++i) {
    const bool mayFuse = tokenizer.kind() == plan::TokenizerKind::Bpe &&
                         std::cmp_equal(tokenizer.unknown(), i);
    const bool isPiece =
        tokenizer.rules() != nullptr &&
        tokenizer.rules()->pipeline() != nullptr &&
        tokenizer.types()->Get(i) ==
            static_cast<uint8_t>(TokenType::UserDefined) &&
        (tokenizer.matching()->Get(i) & match_flags::kPiece) != 0;
    const uint8_t most = match_flags::kAll +
                         (mayFuse ? match_flags::kFused : 0) +
                         (isPiece ? match_flags::kPiece : 0);
    if (tokenizer.matching()->Get(i) > most) {
      return broken("plan.tokenizer.matching", "token " + str(i),
                    "the match flags are " + str(tokenizer.matching()->Get(i)) +
                        "; they must be 0 to " + str(most));
    }
  }
  return verifyTokenIds(tokenizer, tokens);
}

/// Checks the streams (StreamRate) of a machine profile: the order of loads and
/// the prefetch hint of each must be known, its prefetch distance must be
/// valid, and the streams must be sorted and unique. Equal profiles therefore
/// have equal records.
Status verifyStreams(const plan::CpuRates &rates) {
  const uint32_t count = sizeOf(rates.streams());
  if (count > kMaxStreams) {
    return broken("plan.machine.streams", "machine",
                  "there are " + str(count) + " streams; at most " +
                      str(kMaxStreams) + " are allowed");
  }
  StreamRate before;
  for (uint32_t i = 0; i < count; ++i) {
    const plan::StreamRate &record = *rates.streams()->Get(i);
    const StreamRate stream = {static_cast<StreamLoads>(record.loads()),
                               static_cast<StreamHint>(record.hint()),
                               record.distance_bytes(), record.bandwidth()};
    const std::string where = "machine stream " + str(i);
    if (streamLoadsName(stream.loads).empty() ||
        streamHintName(stream.hint).empty()) {
      return broken("plan.machine.streams", where,
                    "loads is " + str(static_cast<uint32_t>(record.loads())) +
                        " and hint is " +
                        str(static_cast<uint32_t>(record.hint())) +
                        "; loads must be at most 2 and hint at most 5");
    }
    const bool prefetches = stream.hint != StreamHint::None;
    if ((stream.distanceBytes != 0) != prefetches ||
        stream.distanceBytes > kMaxPrefetchDistance) {
      return broken(
          "plan.machine.streams", where,
          "the distance is " + str(stream.distanceBytes) + "; it must be " +
              (prefetches ? "1 to " + str(kMaxPrefetchDistance) + " with a hint"
                          : "0 without a hint"));
    }
    if (i != 0 && compareStreams(before, stream) >= 0) {
      return broken("plan.machine.streams", where,
                    "the stream is equal to the one before it or out of order; "
                    "streams must be sorted by loads, then hint, then "
                    "distance, and unique");
    }
    before = stream;
  }
  return Status::ok();
}

/// Checks the devices other than the CPU.
static Status verifyDevices(const plan::Plan &plan) {
  const auto *devices = plan.machine()->devices();
  if (sizeOf(devices) > kMaxDevices) {
    return broken("plan.machine.devices", "machine",
                  "there are " + str(sizeOf(devices)) +
                      " devices other than the CPU; at most " +
                      str(kMaxDevices) + " is allowed");
  }
  for (uint32_t i = 0; i < sizeOf(devices); ++i) {
    const plan::Device &device = *devices->Get(i);
    const std::string where = label("device", i + 1, device);
    AIR_RETURN_IF_ERROR(
        checkName("plan.machine.devices", where, textOf(device.name())));
    AIR_RETURN_IF_ERROR(checkEnum(where, "kind",
                                  static_cast<uint8_t>(device.kind()),
                                  plan::EnumNameDeviceKind(device.kind())));
    if (device.kind() != plan::DeviceKind::Cuda ||
        !textOf(device.arch()).starts_with("sm_")) {
      return broken("plan.machine.devices", where,
                    std::string("has kind ") +
                        plan::EnumNameDeviceKind(device.kind()) +
                        " and arch '" + shown(textOf(device.arch())) +
                        "'; it must have kind Cuda, and an arch that begins "
                        "with sm_");
    }
    AIR_RETURN_IF_ERROR(
        checkName("plan.machine.devices", where, textOf(device.arch())));
    if (device.ptx_arch() != nullptr) {
      AIR_RETURN_IF_ERROR(
          checkName("plan.machine.devices", where, textOf(device.ptx_arch())));
      if (!textOf(device.ptx_arch()).starts_with("compute_")) {
        return broken("plan.machine.devices", where,
                      "has ptx_arch '" + shown(textOf(device.ptx_arch())) +
                          "'; it must begin with compute_");
      }
    }
    if (device.multiprocessors() == 0) {
      return broken("plan.machine.devices", where,
                    "multiprocessors is 0; it must be at least 1");
    }
  }
  return Status::ok();
}

Status verifyMachine(const plan::Plan &plan) {
  const plan::Machine &machine = *plan.machine();
  AIR_RETURN_IF_ERROR(
      checkName("plan.machine.name", "machine", textOf(machine.name())));
  const std::string_view arch = textOf(machine.arch());
  if (knownFeatures(arch).empty()) {
    return broken("plan.machine.arch", "machine",
                  "arch is '" + shown(arch) +
                      "'; it must be x86_64 or aarch64");
  }
  if (machine.cores() == 0) {
    return broken("plan.machine.cores", "machine",
                  "cores is 0; it must be at least 1");
  }
  if (sizeOf(machine.features()) > kMaxFeatures) {
    return broken("plan.machine.features", "machine",
                  "there are " + str(sizeOf(machine.features())) +
                      " features; at most " + str(kMaxFeatures) +
                      " are allowed");
  }
  std::string_view before;
  for (uint32_t i = 0; i < sizeOf(machine.features()); ++i) {
    const std::string_view name = textOf(machine.features()->Get(i));
    AIR_RETURN_IF_ERROR(
        checkName("plan.machine.features", "machine feature " + str(i), name));
    if (name <= before) {
      return broken("plan.machine.features", "machine",
                    "features must be sorted and unique, but '" + shown(name) +
                        "' follows '" + shown(before) + "'");
    }
    before = name;
  }
  AIR_RETURN_IF_ERROR(verifyDevices(plan));
  return machine.cpu() == nullptr ? Status::ok()
                                  : verifyStreams(*machine.cpu());
}

Status verifySampling(const plan::Plan &plan) {
  const plan::Sampling *sampling = plan.sampling();
  if (sampling == nullptr) {
    return Status::ok();
  }
  const float least = std::numeric_limits<float>::min();
  const float most = std::numeric_limits<float>::max();
  const struct {
    const char *field;
    flatbuffers::Optional<float> value;
    float least;
    float most;
  } numbers[] = {
      {"temperature", sampling->temperature(), 0, most},
      {"top_p", sampling->top_p(), 0, 1},
      {"min_p", sampling->min_p(), 0, 1},
      {"repeat_penalty", sampling->repeat_penalty(), least, most},
      {"xtc_probability", sampling->xtc_probability(), 0, 1},
      {"xtc_threshold", sampling->xtc_threshold(), 0, 1},
      {"mirostat_tau", sampling->mirostat_tau(), 0, most},
      {"mirostat_eta", sampling->mirostat_eta(), 0, most},
      {"typical_p", sampling->typical_p(), 0, 1},
  };
  for (const auto &number : numbers) {
    // The comparison is negated so that NaN is refused.
    if (number.value.has_value() &&
        !(*number.value >= number.least && *number.value <= number.most)) {
      return broken("plan.sampling", number.field,
                    "is " + numberText(*number.value) + "; it must be " +
                        numberText(number.least) + " to " +
                        numberText(number.most));
    }
  }
  const flatbuffers::Optional<int32_t> lastN = sampling->repeat_last_n();
  if (lastN.has_value() && (*lastN < -1 || *lastN > kMaxRepeatLastN)) {
    return broken("plan.sampling", "repeat_last_n",
                  "is " + std::to_string(*lastN) + "; it must be -1 to " +
                      std::to_string(kMaxRepeatLastN));
  }
  const flatbuffers::Optional<int32_t> mirostat = sampling->mirostat();
  if (mirostat.has_value() && (*mirostat < 0 || *mirostat > 2)) {
    return broken("plan.sampling", "mirostat",
                  "is " + std::to_string(*mirostat) + "; it must be 0 to 2");
  }
  for (uint32_t i = 0; i < sizeOf(sampling->samplers()); ++i) {
    const auto kind = static_cast<uint32_t>(sampling->samplers()->Get(i));
    if (kind >= kSamplerKinds) {
      return broken("plan.sampling", "samplers",
                    "entry " + str(i) + " is " + str(kind) +
                        "; it must be below " + str(kSamplerKinds));
    }
  }
  return Status::ok();
}

Status verifyProvenance(const plan::Plan &plan) {
  std::string_view before;
  for (uint32_t i = 0; i < sizeOf(plan.decisions()); ++i) {
    const plan::Decision &decision = *plan.decisions()->Get(i);
    const std::string where = label("decision", i, decision);
    const std::string_view name = textOf(decision.name());
    AIR_RETURN_IF_ERROR(checkName("plan.decision", where, name));
    if (name <= before) {
      return broken("plan.decision", where,
                    "must come before '" + shown(before) +
                        "'; decisions must be sorted and unique");
    }
    before = name;
    if (textOf(decision.value()).size() > kMaxNameBytes) {
      return broken("plan.decision", where,
                    "the value has " + str(textOf(decision.value()).size()) +
                        " bytes; at most " + str(kMaxNameBytes) +
                        " are allowed");
    }
    AIR_RETURN_IF_ERROR(checkEnum(where, "by",
                                  static_cast<uint8_t>(decision.by()),
                                  plan::EnumNameDecidedBy(decision.by())));
  }
  for (uint32_t i = 0; i < sizeOf(plan.sources()); ++i) {
    const plan::Source &source = *plan.sources()->Get(i);
    if (sizeOf(source.digest()) != sizeof(Digest)) {
      return broken("plan.source", "source " + str(i),
                    "the digest has " + str(sizeOf(source.digest())) +
                        " bytes; it must have 16");
    }
    if (source.header_bytes() > source.bytes()) {
      return broken("plan.source", "source " + str(i),
                    "the header has " + str(source.header_bytes()) +
                        " bytes, more than the file, which has " +
                        str(source.bytes()));
    }
  }
  return Status::ok();
}

} // namespace air::rules
