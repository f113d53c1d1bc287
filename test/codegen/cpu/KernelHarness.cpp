//===- KernelHarness.cpp - runs any kernel against the reference ----------===//
#include "KernelHarness.h"

#include "ForeignRun.h"

#include "codegen/KernelBindings.h"
#include "formats/dtype/Half.h"
#include "formats/plan/PackLayout.h"
#include "formats/plan/TileRows.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace air::codegen::test {
namespace {

constexpr uint64_t kGuardBytes = 256;
constexpr uint8_t kGuard = 0xA5;
// A sequence of these bytes is a NaN both as float32 and as float16.
constexpr uint8_t kGarbage = 0xFF;

/// Aligned bytes between guard bytes.
class GuardedBuffer {
public:
  explicit GuardedBuffer(const Bytes &content)
      : size(content.size()),
        storage(static_cast<uint8_t *>(std::aligned_alloc(
            AIR_BINDING_ALIGNMENT,
            alignUp(size + 2 * kGuardBytes, AIR_BINDING_ALIGNMENT)))) {
    std::memset(storage.get(), kGuard, size + 2 * kGuardBytes);
    std::copy(content.begin(), content.end(), data());
  }

  uint8_t *data() const { return storage.get() + kGuardBytes; }
  Bytes content() const { return Bytes(data(), data() + size); }
  bool guardsHold() const {
    const auto intact = [](uint8_t byte) { return byte == kGuard; };
    return std::all_of(storage.get(), data(), intact) &&
           std::all_of(data() + size, data() + size + kGuardBytes, intact);
  }

private:
  struct Free {
    void operator()(uint8_t *bytes) const { std::free(bytes); }
  };
  uint64_t size;
  std::unique_ptr<uint8_t, Free> storage;
};

using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

Ranges singleTiles(uint64_t tiles, Random &random) {
  Ranges ranges;
  for (uint64_t tile = 0; tile < tiles; ++tile) {
    ranges.emplace_back(tile, tile + 1);
  }
  std::shuffle(ranges.begin(), ranges.end(), random);
  return ranges;
}

Ranges unevenRanges(uint64_t tiles, Random &random) {
  Ranges ranges;
  for (uint64_t tile = 0; tile < tiles;) {
    const uint64_t end = std::min(tiles, tile + 1 + random() % 7);
    ranges.emplace_back(tile, end);
    tile = end;
  }
  std::reverse(ranges.begin(), ranges.end());
  ranges.emplace_back(0, 0); // a call without tiles must do nothing
  return ranges;
}

uint64_t tileCount(const KernelCase &test, const KernelEntry &entry) {
  const uint64_t rows = entry.rowsFrom == RowsFrom::Outputs
                            ? test.batch.outputRows.size()
                            : test.batch.tokens();
  return entry.baseTiles *
         (entry.tokensPerTile == 0 ? 1 : ceilDiv(rows, entry.tokensPerTile));
}

/// Removes the padding from a binding's bytes. Returns a message if the kernel
/// has changed a binding that it should only read, otherwise "".
std::string acceptBinding(const BindingData &binding, size_t index,
                          Bytes &after) {
  after.resize(binding.checkedBytes);
  if (!binding.written &&
      !std::equal(after.begin(), after.end(), binding.before.begin())) {
    return "changed binding " + std::to_string(index) + ", which it only reads";
  }
  return "";
}

/// Gives the weight matrices their contents, but only in the rows `shown`. All
/// other rows are garbage.
void showRows(const KernelCase &test, HalfOpenRange shown,
              const std::vector<GuardedBuffer> &buffers) {
  const std::vector<KernelBinding> bindings = kernelBindings(test.spec);
  for (size_t i = 0; i < bindings.size(); ++i) {
    const KernelBinding &matrix = bindings[i];
    if (matrix.kind == BindingKind::Tensor && matrix.rows > 1) {
      const Bytes &content = test.bindings[i].before;
      const HalfOpenRange bytes =
          bytesOfRows(matrix.layout, matrix.rows, content.size(),
                      {shown.begin, std::min(matrix.rows, shown.end)});
      std::memset(buffers[i].data(), kGarbage, content.size());
      std::copy(content.begin() + static_cast<ptrdiff_t>(bytes.begin),
                content.begin() + static_cast<ptrdiff_t>(bytes.end),
                buffers[i].data() + bytes.begin);
    }
  }
}

/// Runs the kernel once over all tiles and stores the bindings in `after`.
/// Returns "" or an error.
std::string runOnce(const KernelCase &test, const KernelEntry &entry,
                    AirKernelFn kernel, const Ranges &ranges,
                    std::vector<Bytes> &after) {
  std::vector<GuardedBuffer> buffers;
  std::vector<void *> addresses;
  for (const BindingData &binding : test.bindings) {
    buffers.emplace_back(binding.before);
    addresses.push_back(buffers.back().data());
  }
  const GuardedBuffer scratch(Bytes(entry.scratchBytes, kGarbage));
  const BatchView view(test.batch, test.spec.cacheGroup);
  const AirBatch &batch = view.batch;
  const AirDispatch dispatch{&batch, addresses.data()};
  for (const auto &[begin, end] : ranges) {
    std::memset(scratch.data(), kGarbage, entry.scratchBytes);
    const bool hides = entry.rowsPerTile != 0 && end == begin + 1;
    if (hides) {
      const uint64_t first = begin % entry.baseTiles * entry.rowsPerTile;
      showRows(test, {first, first + entry.rowsPerTile}, buffers);
    }
    kernel(&dispatch, begin, end, scratch.data());
    if (hides) {
      showRows(test, {0, UINT64_MAX}, buffers);
    }
  }
  if (!scratch.guardsHold()) {
    return "wrote outside its scratch of " +
           std::to_string(entry.scratchBytes) + " bytes";
  }
  after.clear();
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (!buffers[i].guardsHold()) {
      return "wrote outside binding " + std::to_string(i);
    }
    after.push_back(buffers[i].content());
    const std::string wrong = acceptBinding(test.bindings[i], i, after[i]);
    if (!wrong.empty()) {
      return wrong;
    }
  }
  return "";
}

/// Runs the kernel call that `file` describes, with the program `runner` in the
/// emulator, and replaces `file` by what the runner wrote. Returns "" on
/// success, otherwise a message.
std::string callForeign(Bytes &file, const std::string &emulator,
                        const std::string &runner) {
  const int descriptor = memfd_create("kernel", MFD_CLOEXEC);
  if (descriptor < 0 || write(descriptor, file.data(), file.size()) !=
                            static_cast<ssize_t>(file.size())) {
    return std::string("cannot write a job: ") + std::strerror(errno);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, descriptor, 0);
  std::string program = emulator;
  std::string argument = runner;
  char *arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int refused = posix_spawn(&child, program.c_str(), &actions, nullptr,
                                  arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  std::string wrong;
  if (refused != 0 || waitpid(child, &status, 0) != child || status != 0) {
    wrong = emulator + " " + runner + " ended with status " +
            std::to_string(refused != 0 ? refused : status);
  } else if (pread(descriptor, file.data(), file.size(), 0) !=
             static_cast<ssize_t>(file.size())) {
    wrong = "cannot read a job back";
  }
  close(descriptor);
  return wrong;
}

bool isSane(const std::vector<float> &values) {
  float largest = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return false;
    }
    largest = std::max(largest, std::abs(value));
  }
  return largest < 64.0F;
}

void setUnit(uint8_t *unit, uint16_t bits) { std::memcpy(unit, &bits, 2); }

// Fills a block with random bits, but gives it scales of moderate size where
// the dtype's fields are known. A block that is still unusable, for example
// because its 8-bit scale is NaN, is drawn again.
void randomBlock(Random &random, const DTypeInfo &type, uint8_t *block) {
  std::normal_distribution<float> normal;
  for (uint32_t i = 0; i < type.blockBytes; ++i) {
    block[i] = static_cast<uint8_t>(random());
  }
  for (const BlockField &field : type.fields) {
    const std::string_view name = field.name;
    uint8_t *at = block + field.offset;
    const float scale = 0.02F * normal(random);
    if (name == "d" || name == "m" || name == "dmin") {
      if (field.unit == 2) {
        setUnit(at, floatToHalf(scale));
      }
    } else if (name == "e") {
      *at = static_cast<uint8_t>(118 + random() % 6);
    } else if (name == "value") {
      const float value = normal(random);
      const double wide = value;
      if (type.id == DType::F32) {
        std::memcpy(at, &value, 4);
      } else if (type.id == DType::F64) {
        std::memcpy(at, &wide, 8);
      } else {
        setUnit(at, type.id == DType::F16 ? floatToHalf(value)
                                          : floatToBfloat16(value));
      }
    }
  }
}

} // namespace

BatchView::BatchView(const Batch &from, uint32_t cacheGroup)
    : tables(cacheGroup + 2) {
  tables[cacheGroup] = {from.blockTables.data(), from.blockTableStride};
  batch.tokens = static_cast<uint32_t>(from.ids.size());
  batch.outputs = static_cast<uint32_t>(from.outputRows.size());
  batch.token_ids = from.ids.data();
  batch.positions = from.positions.data();
  batch.sequences = from.sequences.data();
  batch.output_rows = from.outputRows.data();
  batch.block_tables = tables.data();
  batch.rope_positions = from.ropePositions.data();
  batch.sequence_lengths = from.lengths.data();
}

Batch makeBatch(Random &random, BatchKind kind, uint64_t tokens,
                uint32_t history, uint64_t vocabulary) {
  Batch batch;
  const uint64_t sequences = kind == BatchKind::Prefill  ? 1
                             : kind == BatchKind::Decode ? tokens
                                                         : 3;
  std::vector<uint32_t> next(sequences);
  for (uint32_t &position : next) {
    position = static_cast<uint32_t>(random() % (history + 1));
  }
  uint64_t sequence = 0;
  for (uint64_t token = 0; token < tokens; ++token) {
    if (kind == BatchKind::Decode || kind == BatchKind::Interleaved) {
      sequence = token % sequences;
    } else if (kind == BatchKind::Mixed && random() % 4 == 0) {
      sequence = random() % sequences;
    }
    batch.ids.push_back(static_cast<int32_t>(random() % vocabulary));
    batch.ropePositions.push_back(static_cast<uint32_t>(random() % 1000));
    batch.positions.push_back(next[sequence]++);
    batch.sequences.push_back(static_cast<uint32_t>(sequence));
    if (random() % 2 == 0) {
      batch.outputRows.push_back(static_cast<uint32_t>(token));
    }
  }
  if (batch.outputRows.empty()) {
    batch.outputRows.push_back(static_cast<uint32_t>(tokens - 1));
  }
  std::shuffle(batch.outputRows.begin(), batch.outputRows.end(), random);

  batch.lengths = next;

  // The block tables list physical pages in random order. Unused entries hold
  // the index of a page that does not exist.
  const uint32_t furthest = *std::max_element(next.begin(), next.end());
  batch.blockTableStride = furthest / AIR_KV_PAGE_TOKENS + 2;
  batch.blockTables.assign(sequences * batch.blockTableStride, 0xFFFFFFFF);
  std::vector<uint32_t *> used;
  for (uint64_t s = 0; s < sequences; ++s) {
    const uint64_t count = ceilDiv(next[s], AIR_KV_PAGE_TOKENS);
    for (uint64_t page = 0; page < count; ++page) {
      used.push_back(&batch.blockTables[s * batch.blockTableStride + page]);
    }
  }
  batch.pages = static_cast<uint32_t>(used.size());
  std::vector<uint32_t> physical(used.size());
  std::iota(physical.begin(), physical.end(), 0U);
  std::shuffle(physical.begin(), physical.end(), random);
  for (size_t i = 0; i < used.size(); ++i) {
    *used[i] = physical[i];
  }
  return batch;
}

Floats randomFloats(Random &random, uint64_t count, float scale) {
  std::normal_distribution<float> normal(0.0F, 1.0F);
  Floats values(count);
  for (float &value : values) {
    value = scale * normal(random);
  }
  return values;
}

Matrix randomMatrix(Random &random, DType dtype, Layout layout, uint64_t rows,
                    uint64_t columns) {
  const DTypeInfo &type = info(dtype);
  const uint64_t blocks = rows * (columns / type.blockElements);
  Bytes source(blocks * type.blockBytes);
  std::vector<float> values(type.blockElements);
  Matrix matrix;
  matrix.values.reserve(rows * columns);
  for (uint64_t block = 0; block < blocks; ++block) {
    uint8_t *at = source.data() + block * type.blockBytes;
    do {
      randomBlock(random, type, at);
      dequantize(dtype, at, values.data(), type.blockElements);
    } while (!isSane(values));
    matrix.values.insert(matrix.values.end(), values.begin(), values.end());
  }
  const uint64_t padded =
      layout == Layout::Rows ? rows : alignUp(rows, kX16Rows);
  matrix.packed.resize(source.size() / rows * padded);
  packRows(dtype, layout, rows, columns, source, matrix.packed);
  return matrix;
}

Bytes bytesOf(const Floats &values) {
  Bytes bytes(values.size() * 4);
  if (!values.empty()) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  return bytes;
}

Bytes paddedRows(const Floats &rows, uint64_t width) {
  Bytes bytes = bytesOf(rows);
  bytes.resize(alignUp(rows.size() / width, AIR_TOKEN_PADDING) * width * 4,
               kGarbage);
  return bytes;
}

Floats floatsOf(const Bytes &bytes) {
  Floats values(bytes.size() / 4);
  if (!values.empty()) {
    std::memcpy(values.data(), bytes.data(), values.size() * 4);
  }
  return values;
}

Doubles KernelCase::readsActivations(const Floats &x) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const uint64_t k = spec.k;
  const uint64_t rows = x.size() / k;
  const auto readsRecords = [this](const auto &records) {
    const auto *bytes = reinterpret_cast<const uint8_t *>(records.data());
    reads(Bytes(bytes, bytes + records.size() * sizeof(records[0])));
  };
  switch (spec.activation) {
  case Activation::F32:
    readsRows(x, k);
    break;
  case Activation::F32x16: {
    Floats packed(alignUp(rows, kActivationTokens) * k, kNaN);
    for (uint64_t row = 0; row < rows; ++row) {
      for (uint64_t column = 0; column < k; ++column) {
        packed[(row / kActivationTokens * k + column) * kActivationTokens +
               row % kActivationTokens] = x[row * k + column];
      }
    }
    reads(bytesOf(packed));
    break;
  }
  case Activation::I8x2: {
    std::vector<ActivationSection> sections =
        reference::quantizeToSections(x, k);
    const uint64_t rowSections = sections.size() / rows;
    const uint64_t columns = k % kSectionColumns;
    // No result may depend on the blocks past k.
    for (uint64_t row = 0; columns != 0 && row < rows; ++row) {
      ActivationSection &last = sections[(row + 1) * rowSections - 1];
      for (uint64_t i = columns / kActivationColumns; i < kSectionBlocks; ++i) {
        std::memset(&last.bytes[kSectionBlocks - 1 - i], 0x7f,
                    sizeof(ActivationSection::Bytes));
        last.scale[i] = kNaN;
      }
    }
    Floats words(sections.size() * sizeof(ActivationSection) / sizeof(float));
    std::memcpy(words.data(), sections.data(), words.size() * sizeof(float));
    readsRows(words, words.size() / rows);
    return reference::valuesOf(sections, rows, k);
  }
  case Activation::I8:
  case Activation::I8Grid: {
    std::vector<ActivationTile> tiles =
        reference::quantizeToTiles(x, k, spec.activation);
    for (uint64_t row = rows; row % kActivationTokens != 0; ++row) {
      for (uint64_t i = 0; i < k / kActivationColumns; ++i) {
        ActivationTile &tile = tiles[tiles.size() - 1 - i];
        const uint64_t token = row % kActivationTokens;
        std::fill_n(tile.q[token], kActivationColumns, int8_t{-128});
        tile.scale[token] = kNaN;
        for (int part = 0; part < 3; ++part) {
          tile.biasSums[part][token] = INT32_MIN;
          tile.scaledSums[part][token] = kNaN;
        }
        tile.conversions[token] = kGridConversionBits;
        tile.steps[token] = (kGridSteps - 1) * kGridVectorBytes;
      }
    }
    readsRecords(tiles);
    return reference::valuesOf(tiles, rows, k);
  }
  case Activation::BF16x32: {
    reference::Bf16Rows packed = reference::roundToBf16(x, k);
    const uint64_t blocks = ceilDiv(k, kActivationColumns);
    for (uint64_t row = rows; row % kActivationTokens != 0; ++row) {
      for (uint64_t i = 0; i < blocks; ++i) {
        Bf16Tile &tile = packed.tiles[packed.tiles.size() - 1 - i];
        std::fill_n(tile.value[row % kActivationTokens], kActivationColumns,
                    floatToBfloat16(kNaN));
      }
      packed.factors[row] = kNaN;
    }
    Bytes bytes;
    for (uint64_t i = 0; i * kActivationTokens < rows; ++i) {
      const auto append = [&bytes](const void *from, uint64_t size) {
        const auto *source = static_cast<const uint8_t *>(from);
        bytes.insert(bytes.end(), source, source + size);
      };
      append(&packed.tiles[i * blocks], blocks * sizeof(Bf16Tile));
      append(&packed.factors[i * kActivationTokens],
             kActivationTokens * sizeof(float));
    }
    reads(std::move(bytes));
    return reference::valuesOf(packed, rows, k);
  }
  }
  return widened(x);
}

Doubles widened(const Floats &values) {
  return Doubles(values.begin(), values.end());
}

std::string compare(const std::string &what, const Floats &got,
                    const Doubles &want, const Doubles &bound) {
  if (got.size() != want.size() || bound.size() != want.size()) {
    return what + ": " + std::to_string(got.size()) + " values, expected " +
           std::to_string(want.size());
  }
  for (size_t i = 0; i < want.size(); ++i) {
    // Written so that a NaN fails the check.
    if (!(std::abs(got[i] - want[i]) <= bound[i])) {
      return what + "[" + std::to_string(i) + "] is " + std::to_string(got[i]) +
             ", expected " + std::to_string(want[i]) + " within " +
             std::to_string(bound[i] * 1e6) + "e-6";
    }
  }
  return "";
}

std::string checkBindings(const KernelCase &test) {
  const std::vector<KernelBinding> wanted = kernelBindings(test.spec);
  if (test.bindings.size() != wanted.size()) {
    return "the case has " + std::to_string(test.bindings.size()) +
           " bindings, the kernel takes " + std::to_string(wanted.size());
  }
  const BatchView view(test.batch, test.spec.cacheGroup);
  const AirBatch &batch = view.batch;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const KernelBinding &want = wanted[i];
    const BindingData &binding = test.bindings[i];
    const std::string name = std::string("binding ") + want.name;
    if (binding.written != (want.access != BindingAccess::Read)) {
      return name + (binding.written ? " is written" : " is only read");
    }
    uint64_t bytes = binding.before.size();
    if (want.kind == BindingKind::Tensor) {
      bytes = *layoutBytes(want.dtype, want.layout, want.rows, want.columns);
    } else if (want.kind == BindingKind::Buffer) {
      const uint64_t rows =
          want.rowsFrom == RowsFrom::Outputs ? batch.outputs : batch.tokens;
      bytes = alignUp(rows, AIR_TOKEN_PADDING) * want.columns * 4;
    }
    if (binding.before.size() != bytes) {
      return name + " has " + std::to_string(binding.before.size()) +
             " bytes in the case, " + std::to_string(bytes) + " by its shape";
    }
  }
  return "";
}

std::string runCase(const KernelCase &test, const KernelEntry &entry,
                    AirKernelFn kernel, Random &random) {
  const uint64_t tiles = tileCount(test, entry);
  std::vector<Bytes> first;
  std::vector<Bytes> second;
  std::string wrong =
      runOnce(test, entry, kernel, singleTiles(tiles, random), first);
  if (wrong.empty()) {
    wrong = runOnce(test, entry, kernel, unevenRanges(tiles, random), second);
  }
  if (wrong.empty() && first != second) {
    wrong = "the result depends on which tiles ran together";
  }
  return wrong.empty() ? test.check(first) : wrong;
}

std::string runForeignCase(const KernelCase &test, const KernelEntry &entry,
                           std::span<const uint8_t> image, uint64_t entryAt,
                           const std::string &emulator,
                           const std::string &runner) {
  ForeignJob job = {};
  Bytes file(sizeof(ForeignJob));
  const auto append = [&file](const void *bytes, uint64_t size) {
    // Every part of the file lies between guard bytes. One part is code, which
    // must start at a page boundary, so all parts do.
    file.resize(file.size() + kGuardBytes, kGuard);
    file.resize(alignUp(file.size(), 4096), kGuard);
    const uint64_t at = file.size();
    const auto *source = static_cast<const uint8_t *>(bytes);
    file.insert(file.end(), source, source + size);
    file.resize(file.size() + kGuardBytes, kGuard);
    return at;
  };
  const BatchView view(test.batch, test.spec.cacheGroup);
  const AirBatch &batch = view.batch;
  const auto appendWords = [&](const void *words, uint64_t count) {
    return append(words, count * 4);
  };
  job.entryAt = append(image.data(), image.size()) + entryAt;
  job.tiles = tileCount(test, entry);
  job.tokens = batch.tokens;
  job.outputs = batch.outputs;
  job.idsAt = appendWords(batch.token_ids, batch.tokens);
  job.positionsAt = appendWords(batch.positions, batch.tokens);
  job.sequencesAt = appendWords(batch.sequences, batch.tokens);
  job.outputRowsAt = appendWords(batch.output_rows, batch.outputs);
  job.cacheGroup = test.spec.cacheGroup;
  job.blockTableAt =
      appendWords(test.batch.blockTables.data(), test.batch.blockTables.size());
  job.blockTableStride = test.batch.blockTableStride;
  job.ropePositionsAt = appendWords(batch.rope_positions, batch.tokens);
  job.lengthsAt =
      appendWords(batch.sequence_lengths, test.batch.lengths.size());
  const Bytes scratch(entry.scratchBytes, kGarbage);
  job.scratchAt = append(scratch.data(), scratch.size());
  job.bindings = test.bindings.size();
  for (size_t i = 0; i < test.bindings.size(); ++i) {
    const Bytes &before = test.bindings[i].before;
    job.bindingAt[i] = append(before.data(), before.size());
  }
  job.fileBytes = file.size();
  std::memcpy(file.data(), &job, sizeof(job));

  std::string wrong = callForeign(file, emulator, runner);
  std::vector<Bytes> after;
  const auto isGuarded = [&file](uint64_t at, uint64_t size) {
    const auto isGuard = [](uint8_t byte) { return byte == kGuard; };
    const auto start = file.begin() + static_cast<ptrdiff_t>(at);
    const auto end = start + static_cast<ptrdiff_t>(size);
    return std::all_of(start - kGuardBytes, start, isGuard) &&
           std::all_of(end, end + kGuardBytes, isGuard);
  };
  if (wrong.empty() && !isGuarded(job.scratchAt, scratch.size())) {
    wrong = "wrote outside its scratch";
  }
  for (size_t i = 0; wrong.empty() && i < test.bindings.size(); ++i) {
    const uint64_t size = test.bindings[i].before.size();
    if (!isGuarded(job.bindingAt[i], size)) {
      return "wrote outside binding " + std::to_string(i);
    }
    const auto start = file.begin() + static_cast<ptrdiff_t>(job.bindingAt[i]);
    const auto end = start + static_cast<ptrdiff_t>(size);
    after.emplace_back(start, end);
    wrong = acceptBinding(test.bindings[i], i, after.back());
  }
  return wrong.empty() ? test.check(after) : wrong;
}

} // namespace air::codegen::test
