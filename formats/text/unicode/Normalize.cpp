//===- Normalize.cpp - Unicode normalization forms ------------------------===//
#include "formats/text/unicode/Normalize.h"

#include "formats/support/Utf8.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace air {
namespace {

/// Code points with the same canonical combining class.
struct ClassRun {
  uint32_t first;
  uint32_t last;
  uint8_t combiningClass;
};

// kDecompositions is a sequence of numbers in base 32. Each number begins with
// its lowest digit, and 32 is added to all of its digits except the last one.
// Each digit is then written as the base64 character of its value.
//
// The decompositions are in ascending order of the code points that they
// replace. Each consists of the distance of its code point from that of the
// previous decomposition, then 4 * n + kind, then the n parts. The kind is 0
// for a canonical decomposition, 1 for one that is excluded from composition,
// and 2 for a compatibility decomposition. For part i, the difference d from
// part i of the closest earlier decomposition with more than i parts is stored
// (from 0 if there is none): as 2d if d is not negative, or else as -2d - 1.
#include "formats/text/unicode/NormalizationTables.inc"

/// The arithmetic of Hangul syllables (Unicode 16, section 3.12).
namespace hangul {
constexpr uint32_t kSyllables = 0xac00;
constexpr uint32_t kLeads = 0x1100;
constexpr uint32_t kVowels = 0x1161;
constexpr uint32_t kTails = 0x11a7; ///< tail number 0, which means no tail
constexpr uint32_t kLeadCount = 19;
constexpr uint32_t kVowelCount = 21;
constexpr uint32_t kTailCount = 28;
constexpr uint32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

constexpr bool isSyllable(uint32_t c) {
  return c - kSyllables < kSyllableCount;
}
constexpr bool isVowelOrTail(uint32_t c) {
  return c - kVowels < kVowelCount || c - kTails - 1 < kTailCount - 1;
}
} // namespace hangul

class VlqReader {
public:
  explicit VlqReader(std::string_view all) : text(all) {}
  bool done() const { return text.empty(); }
  uint32_t next() {
    uint32_t value = 0;
    for (unsigned shift = 0;; shift += 5) {
      uint32_t digit = digitOf(text[0]);
      text.remove_prefix(1);
      value |= (digit & 31) << shift;
      if (digit < 32) {
        return value;
      }
    }
  }
  uint32_t nextAfter(uint32_t last) {
    uint32_t value = next();
    return last + ((value & 1) != 0 ? ~(value >> 1) : value >> 1);
  }

private:
  static uint32_t digitOf(char c) {
    auto value = static_cast<uint32_t>(c);
    return c >= 'a'   ? value - 'a' + 26
           : c >= 'A' ? value - 'A'
           : c >= '0' ? value - '0' + 52
                      : (c == '+' ? 62 : 63);
  }
  std::string_view text;
};

/// What is known about one code point.
struct Point {
  uint8_t combiningClass = 0;
  bool composesWithPrevious = false; ///< it is the second code point of a Pair
  uint8_t canonicalCount = 0;
  uint8_t compatibleCount = 0;
  /// Where the full decompositions begin in Tables::parts.
  uint16_t canonical = 0;
  uint16_t compatible = 0;
};

struct Pair {
  uint32_t first;
  uint32_t second;
  uint32_t composed;
  uint64_t key() const { return (uint64_t{first} << 32) | second; }
};

/// The tables, unpacked for look-ups by code point. The Points of 128
/// consecutive code points form a block. All blocks whose code points have no
/// entries in the tables share one copy.
class Tables {
public:
  static const Tables &get() {
    static const Tables tables;
    return tables;
  }

  const Point &of(uint32_t c) const { return points[indexOf(c)]; }
  std::span<const uint32_t> decomposition(uint32_t c, bool compatible) const {
    const Point &point = of(c);
    return compatible ? std::span(parts).subspan(point.compatible,
                                                 point.compatibleCount)
                      : std::span(parts).subspan(point.canonical,
                                                 point.canonicalCount);
  }
  /// Returns the composition of two code points, or 0 if there is none.
  uint32_t compose(uint32_t first, uint32_t second) const {
    using namespace hangul;
    if (first - kLeads < kLeadCount && second - kVowels < kVowelCount) {
      return kSyllables +
             ((first - kLeads) * kVowelCount + second - kVowels) * kTailCount;
    }
    if (isSyllable(first) && (first - kSyllables) % kTailCount == 0 &&
        second - kTails - 1 < kTailCount - 1) {
      return first + second - kTails;
    }
    uint64_t key = (uint64_t{first} << 32) | second;
    auto found = std::ranges::lower_bound(pairs, key, {}, &Pair::key);
    return found != pairs.end() && found->key() == key ? found->composed : 0;
  }

private:
  static constexpr uint32_t kBlock = 128;
  static constexpr uint32_t kLast = 0x10ffff;

  Tables() {
    blocks.fill(0);
    points.resize(kBlock);
    for (const ClassRun &run : kClassRuns) {
      for (uint32_t c = run.first; c <= run.last; ++c) {
        make(c).combiningClass = run.combiningClass;
      }
    }
    struct Step {
      uint32_t codePoint;
      uint32_t kind;
      std::vector<uint32_t> parts;
    };
    std::vector<Step> steps;
    VlqReader reader(kDecompositions);
    std::array<uint32_t, 32> previous{};
    for (uint32_t c = 0; !reader.done();) {
      c += reader.next();
      uint32_t head = reader.next();
      Step step = {c, head % 4, {}};
      for (uint32_t i = 0; i < head / 4; ++i) {
        previous[i] = reader.nextAfter(previous[i]);
        step.parts.push_back(previous[i]);
      }
      steps.push_back(std::move(step));
    }
    // The parts of a decomposition may have decompositions themselves.
    auto expand = [&](auto &self, uint32_t c, bool compatible) -> void {
      auto found = std::ranges::lower_bound(steps, c, {}, &Step::codePoint);
      if (found == steps.end() || found->codePoint != c ||
          (found->kind == 2 && !compatible)) {
        parts.push_back(c);
        return;
      }
      for (uint32_t part : found->parts) {
        self(self, part, compatible);
      }
    };
    for (const Step &step : steps) {
      Point &point = make(step.codePoint);
      size_t start = parts.size();
      if (step.kind != 2) {
        expand(expand, step.codePoint, false);
        point.canonical = static_cast<uint16_t>(start);
        point.canonicalCount = static_cast<uint8_t>(parts.size() - start);
        start = parts.size();
      }
      expand(expand, step.codePoint, true);
      point.compatible = static_cast<uint16_t>(start);
      point.compatibleCount = static_cast<uint8_t>(parts.size() - start);
      if (step.kind == 0) {
        pairs.push_back({step.parts[0], step.parts[1], step.codePoint});
      }
    }
    for (const Pair &pair : pairs) {
      make(pair.second).composesWithPrevious = true;
    }
    std::ranges::sort(pairs, {}, &Pair::key);
  }

  uint32_t indexOf(uint32_t c) const {
    return blocks[c / kBlock] * kBlock + c % kBlock;
  }
  /// Returns the entry of a code point. Adds a block of entries if none
  /// contains the code point.
  Point &make(uint32_t c) {
    uint16_t &block = blocks[c / kBlock];
    if (block == 0) {
      block = static_cast<uint16_t>(points.size() / kBlock);
      points.resize(points.size() + kBlock);
    }
    return points[indexOf(c)];
  }

  std::array<uint16_t, kLast / kBlock + 1> blocks{};
  std::vector<Point> points;
  std::vector<uint32_t> parts;
  std::vector<Pair> pairs;
};

/// Collects the decomposed characters of a stretch of text, and then sorts and
/// composes them. A stretch begins with a character that composes with nothing
/// before it and stays in its place.
class Stretch {
public:
  Stretch(NormalForm form, std::string &result)
      : compatible(form == NormalForm::KC || form == NormalForm::KD),
        composes(form == NormalForm::C || form == NormalForm::KC), out(result) {
  }

  void add(uint32_t c) {
    if (hangul::isSyllable(c)) {
      using namespace hangul;
      uint32_t index = c - kSyllables;
      uint32_t tail = index % kTailCount;
      append(kLeads + index / (kVowelCount * kTailCount));
      append(kVowels + index / kTailCount % kVowelCount);
      if (tail != 0) {
        append(kTails + tail);
      }
      return;
    }
    std::span<const uint32_t> parts = tables.decomposition(c, compatible);
    if (parts.empty()) {
      append(c);
    }
    for (uint32_t part : parts) {
      append(part);
    }
  }

  void flush() {
    sortMarks();
    if (composes) {
      compose();
    }
    for (const Character &each : characters) {
      appendUtf8(each.codePoint, out);
    }
    characters.clear();
  }

private:
  struct Character {
    uint32_t codePoint;
    uint32_t position; ///< its index before sorting
    uint8_t combiningClass;
  };

  void append(uint32_t c) {
    const Point &point = tables.of(c);
    if (point.combiningClass == 0 && !point.composesWithPrevious &&
        !hangul::isVowelOrTail(c)) {
      flush();
    }
    characters.push_back(
        {c, static_cast<uint32_t>(characters.size()), point.combiningClass});
  }

  /// Sorts each run of combining marks by their classes (canonical ordering).
  void sortMarks() {
    auto isMark = [](const Character &each) {
      return each.combiningClass != 0;
    };
    for (auto at = characters.begin(); at != characters.end();) {
      auto first = std::find_if(at, characters.end(), isMark);
      at = std::find_if_not(first, characters.end(), isMark);
      std::sort(first, at, [](const Character &a, const Character &b) {
        return a.combiningClass != b.combiningClass
                   ? a.combiningClass < b.combiningClass
                   : a.position < b.position;
      });
    }
  }

  /// Canonical composition: a character is composed with the last starter
  /// before it, unless a character of the same or a higher combining class
  /// stands between them.
  void compose() {
    size_t starter = SIZE_MAX;
    size_t end = 0;
    for (Character each : characters) {
      bool isAdjacent = starter != SIZE_MAX && end == starter + 1;
      bool isBlocked = !isAdjacent && (starter == SIZE_MAX ||
                                       characters[end - 1].combiningClass >=
                                           each.combiningClass);
      uint32_t composed =
          isBlocked
              ? 0
              : tables.compose(characters[starter].codePoint, each.codePoint);
      if (composed != 0) {
        characters[starter].codePoint = composed;
        continue;
      }
      if (each.combiningClass == 0) {
        starter = end;
      }
      characters[end++] = each;
    }
    characters.resize(end);
  }

  const Tables &tables = Tables::get();
  bool compatible;
  bool composes;
  std::string &out;
  std::vector<Character> characters;
};

} // namespace

bool isInert(uint32_t c, NormalForm form) {
  constexpr std::array<uint32_t, 4> kFirst = {0xc0, 0x300, 0xa0, 0xa0};
  return c < kFirst[static_cast<size_t>(form)] || (c >= 0x4e00 && c <= 0x9fff);
}

bool isPlainlyNfc(std::string_view text) {
  constexpr uint8_t kLeadOfU0300 = 0xcc;
  return std::ranges::none_of(
      text, [](char c) { return static_cast<uint8_t>(c) >= kLeadOfU0300; });
}

/// Passes the parts of the normalized text to `put`, in order.
template <typename Put>
static void putNormalized(std::string_view text, NormalForm form, Put put) {
  constexpr size_t kPartBytes = size_t{1} << 16;
  std::string part;
  Stretch stretch(form, part);
  const auto keep = [&](std::string_view run) {
    if (part.size() + run.size() > kPartBytes) {
      put(std::string_view(part));
      part.clear();
    }
    if (run.size() > kPartBytes) {
      put(run);
    } else {
      part += run;
    }
  };
  // Runs of inert characters and ill-formed bytes are kept as they are. There
  // is one exception: if a run ends with an inert character, and other
  // characters follow, this inert character is normalized together with them,
  // because they may be composed with it.
  size_t at = 0;
  while (at < text.size()) {
    size_t start = at;
    size_t last = at; // where the last inert character starts
    Utf8Step step{};
    while (at < text.size()) {
      step = decodeUtf8(text.substr(at));
      if (step.kind == Utf8Step::Whole && !isInert(step.codePoint, form)) {
        break;
      }
      last = at;
      at += step.length;
    }
    if (at < text.size() && at > start) {
      Utf8Step inert = decodeUtf8(text.substr(last));
      if (inert.kind == Utf8Step::Whole) {
        keep(text.substr(start, last - start));
        stretch.add(inert.codePoint);
      } else {
        keep(text.substr(start, at - start));
      }
    } else {
      keep(text.substr(start, at - start));
    }
    while (at < text.size()) {
      step = decodeUtf8(text.substr(at));
      if (step.kind != Utf8Step::Whole || isInert(step.codePoint, form)) {
        break;
      }
      stretch.add(step.codePoint);
      at += step.length;
      if (part.size() > kPartBytes) {
        put(std::string_view(part));
        part.clear();
      }
    }
    stretch.flush();
  }
  put(std::string_view(part));
}

std::string normalized(std::string_view text, NormalForm form) {
  // A string that grows needs twice as much memory for a moment. If the result
  // of a long text has more bytes than the text, it is only counted at first.
  constexpr size_t kLongText = size_t{1} << 20;
  std::string out;
  out.reserve(text.size());
  size_t bytes = 0;
  bool isComplete = true;
  putNormalized(text, form, [&](std::string_view part) {
    bytes += part.size();
    isComplete &= text.size() < kLongText || bytes <= text.size();
    if (isComplete) {
      out += part;
    } else {
      out = std::string(); // frees the memory, unlike clear()
    }
  });
  if (!isComplete) {
    out.reserve(bytes);
    putNormalized(text, form, [&](std::string_view part) { out += part; });
  }
  return out;
}

} // namespace air
