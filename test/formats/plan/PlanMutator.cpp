//===- PlanMutator.cpp - damages a plan where its schema has fields -------===//
#include "PlanMutator.h"

#include "RingSimulation.h"
#include "SmallPlan.h"

#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanFile.h"
#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/Digest.h"
#include "formats/text/jinja/Json.h"
#include "formats/text/jinja/Template.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <flatbuffers/minireflect.h>

namespace air::test {

/// Visits the tables of a valid FlatBuffer, and notes where its numbers and
/// lists are.
struct PlanMutator::Finder {
  PlanMutator &out;

  size_t placeOf(const uint8_t *address) const {
    return static_cast<size_t>(address - out.good.data());
  }

  void table(const uint8_t *object, const flatbuffers::TypeTable &type) {
    const auto *fields = reinterpret_cast<const flatbuffers::Table *>(object);
    for (size_t i = 0; i < type.num_elems; ++i) {
      const flatbuffers::TypeCode code = type.type_codes[i];
      const auto slot = static_cast<flatbuffers::voffset_t>(
          sizeof(flatbuffers::voffset_t) * (i + 2));
      const uint8_t *field = fields->GetAddressOf(slot);
      if (field == nullptr) {
        continue;
      }
      const auto element =
          static_cast<flatbuffers::ElementaryType>(code.base_type);
      const flatbuffers::TypeTable *inner =
          code.sequence_ref < 0 ? nullptr : type.type_refs[code.sequence_ref]();
      if (code.is_repeating != 0) {
        list(field + flatbuffers::ReadScalar<uint32_t>(field), element, inner);
      } else {
        value(field, element, inner);
      }
    }
  }

  void value(const uint8_t *field, flatbuffers::ElementaryType element,
             const flatbuffers::TypeTable *inner) {
    if (element == flatbuffers::ET_SEQUENCE) {
      table(field + flatbuffers::ReadScalar<uint32_t>(field), *inner);
    } else if (element == flatbuffers::ET_STRING) {
      out.lists.push_back(
          {placeOf(field + flatbuffers::ReadScalar<uint32_t>(field)), 1,
           false});
    } else {
      out.numbers.push_back(
          {placeOf(field), flatbuffers::InlineSize(element, inner)});
    }
  }

  void list(const uint8_t *length, flatbuffers::ElementaryType element,
            const flatbuffers::TypeTable *inner) {
    const bool isOfOffsets = element == flatbuffers::ET_SEQUENCE ||
                             element == flatbuffers::ET_STRING;
    const size_t bytes = flatbuffers::InlineSize(element, inner);
    out.lists.push_back({placeOf(length), bytes, isOfOffsets});
    const uint32_t count = flatbuffers::ReadScalar<uint32_t>(length);
    // A vocabulary or the digests of a large plan would outweigh everything
    // else, so only the first elements of such a list are changed.
    constexpr uint32_t kMostVisited = 64;
    const uint32_t visited =
        isOfOffsets ? count : std::min(count, kMostVisited);
    for (uint32_t i = 0; i < visited; ++i) {
      value(length + sizeof(uint32_t) + i * bytes, element, inner);
    }
  }
};

PlanMutator::PlanMutator(std::vector<uint8_t> plan, uint64_t seed)
    : good(std::move(plan)), file(good), random(seed) {
  PlanHeader header{};
  std::memcpy(&header, good.data(), sizeof(header));
  metadataBegin = header.metadataOffset;
  metadataBytes = header.metadataBytes;
  const uint8_t *metadata = good.data() + metadataBegin;
  Finder{*this}.table(
      reinterpret_cast<const uint8_t *>(plan::GetPlan(metadata)),
      *plan::PlanTypeTable());
}

void PlanMutator::changeNumber() {
  const Number number = numbers[below(numbers.size())];
  uint64_t value = 0;
  std::memcpy(&value, file.data() + number.at, number.bytes);
  switch (below(6)) {
  case 0: {
    constexpr uint64_t kBoundaries[] = {
        0,          1,          2,         63,
        64,         4095,       4096,      65536,
        0x7FFFFFFF, 0x80000000, INT64_MAX, uint64_t{1} << 63,
        UINT64_MAX, UINT32_MAX};
    value = kBoundaries[below(std::size(kBoundaries))];
    break;
  }
  case 1: {
    const Number other = numbers[below(numbers.size())];
    value = 0;
    std::memcpy(&value, file.data() + other.at, other.bytes);
    break;
  }
  case 2:
    value += below(2) == 0 ? 1 : UINT64_MAX;
    break;
  case 3:
    value += below(2) == 0 ? 4096 : -uint64_t{4096};
    break;
  case 4:
    value ^= uint64_t{1} << below(8 * number.bytes);
    break;
  default:
    value = random() >> below(64);
  }
  std::memcpy(file.data() + number.at, &value, number.bytes);
}

void PlanMutator::changeList() {
  const List list = lists[below(lists.size())];
  uint32_t count = 0;
  std::memcpy(&count, file.data() + list.at, sizeof(count));
  const uint64_t choice = below(4);
  if (choice == 0 || count < 2) {
    const uint32_t other =
        below(8) == 0 ? count + 1 + static_cast<uint32_t>(below(3))
                      : static_cast<uint32_t>(below(uint64_t{count} + 1));
    std::memcpy(file.data() + list.at, &other, sizeof(other));
    return;
  }
  const uint64_t first = below(count);
  const uint64_t second = choice == 1 ? (first + 1) % count : below(count);
  const size_t begin = list.at + sizeof(uint32_t);
  const size_t from = begin + first * list.elementBytes;
  const size_t to = begin + second * list.elementBytes;
  if (std::max(from, to) + list.elementBytes > file.size()) {
    return; // an earlier change has made the list longer than the file
  }
  if (!list.isOfOffsets) {
    std::swap_ranges(file.begin() + static_cast<ptrdiff_t>(from),
                     file.begin() +
                         static_cast<ptrdiff_t>(from + list.elementBytes),
                     file.begin() + static_cast<ptrdiff_t>(to));
    return;
  }
  uint32_t a = 0;
  uint32_t b = 0;
  std::memcpy(&a, file.data() + from, sizeof(a));
  std::memcpy(&b, file.data() + to, sizeof(b));
  const auto distance = static_cast<uint32_t>(to - from);
  const uint32_t atFrom = b + distance;
  // An offset counts from its own position. The entries `first` and `second` of
  // the list exchange the elements that they refer to. If `choice` is 3, only
  // `first` changes, and refers to the same element as `second`.
  const uint32_t atTo = choice == 3 ? b : a - distance;
  std::memcpy(file.data() + from, &atFrom, sizeof(atFrom));
  std::memcpy(file.data() + to, &atTo, sizeof(atTo));
}

void PlanMutator::changeByte() {
  const size_t at = metadataBegin + below(metadataBytes);
  file[at] = below(2) == 0 ? static_cast<uint8_t>(random())
                           : file[at] ^ static_cast<uint8_t>(1U << below(8));
}

void PlanMutator::change() {
  switch (below(8)) {
  case 0:
    return changeByte();
  case 1:
  case 2:
    return changeList();
  default:
    return changeNumber();
  }
}

/// Renders the templates of an accepted plan. Rendering may fail, but only with
/// a message of one line. Returns what is wrong, or "".
static std::string wrongInPrograms(const TokenizerData &tokenizer) {
  static const Result<jinja::Value> context =
      jinja::fromJson(R"({"messages": [{"role": "user"}]})", true);
  for (const auto &[name, code] : tokenizer.templatePrograms) {
    const Result<jinja::Template> loaded = jinja::Template::load(code);
    if (!loaded) {
      return "an accepted plan has a program that cannot be read: " +
             loaded.status().message();
    }
    const Status status = loaded->render(*context).status();
    if (status.message().find('\n') != std::string::npos) {
      return "the message about a template has several lines: " +
             status.message();
    }
  }
  return "";
}

std::string PlanMutator::tryOne(MutationCounts &counts) {
  const size_t metadataEnd = metadataBegin + metadataBytes;
  std::copy(good.begin(), good.begin() + static_cast<ptrdiff_t>(metadataEnd),
            file.begin());
  for (uint64_t changes = 1 + below(4); changes > 0; --changes) {
    change();
  }
  const Digest digest = digestOf(std::span(file).subspan(
      metadataBegin, alignUp(metadataBytes, kPlanPageBytes)));
  std::memcpy(file.data() + offsetof(PlanHeader, metadataDigest), digest.data(),
              digest.size());
  signHeader(file);

  const Result<PlanFile> plan = PlanFile::parse(file, "mutated.air");
  if (!plan) {
    ++counts.refused;
    const ErrorCode code = plan.status().code();
    const std::string &message = plan.status().message();
    return (code == ErrorCode::Corrupt || code == ErrorCode::Unsupported ||
            code == ErrorCode::VerificationFailed) &&
                   message.find('\n') == std::string::npos
               ? ""
               : "code " + std::to_string(static_cast<int>(code)) + ": " +
                     message;
  }
  ++counts.accepted;
  if (planToJson(plan->plan()).empty()) {
    return "an accepted plan has no JSON";
  }
  if (const std::string wrong = wrongInRing(plan->plan()); !wrong.empty()) {
    return "an accepted plan copies weights to the wrong place or at the wrong "
           "time: " +
           wrong;
  }
  const std::unique_ptr<plan::PlanT> object(plan->plan().UnPack());
  const TokenizerData tokenizer = fromPlan(*plan->plan().tokenizer());
  if (tokenizer.tokens.size() > plan->plan().model()->vocabulary()) {
    return "an accepted plan has more tokens than its vocabulary";
  }
  if (const std::string wrong = wrongInPrograms(tokenizer); !wrong.empty()) {
    return wrong;
  }
  for (uint32_t i = 0; i < plan->plan().segments()->size(); ++i) {
    const ErrorCode code = plan->verifySegment(i).code();
    if (code != ErrorCode::Ok && code != ErrorCode::VerificationFailed) {
      return "the digest of segment " + std::to_string(i) + " gives code " +
             std::to_string(static_cast<int>(code));
    }
  }
  return "";
}

} // namespace air::test
