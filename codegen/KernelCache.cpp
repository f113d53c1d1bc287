//===- KernelCache.cpp - compiled kernels that are kept on disk -----------===//
#include "codegen/KernelCache.h"

#include "formats/support/AtomicFile.h"
#include "formats/support/Digest.h"
#include "formats/support/MappedFile.h"
#include "formats/support/PrivateFolder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace air::codegen {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little,
              "the file format is little-endian");

constexpr const char *kEnding = ".kernels";
constexpr size_t kNumberBytes = sizeof(uint64_t);
constexpr size_t kHeaderBytes = 2 * kNumberBytes + sizeof(Digest);

std::span<const uint8_t> bytesOf(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

Digest digestOfEntry(std::span<const uint8_t> input,
                     std::span<const uint8_t> code) {
  DigestStream digest;
  digest.update(input);
  digest.update(code);
  return digest.finish();
}

} // namespace

Result<KernelCache> KernelCache::open(std::string folder,
                                      const std::string &advice,
                                      std::string compiler,
                                      uint64_t mostBytes) {
  AIR_RETURN_IF_ERROR(makePrivateFolder(folder, "kernels", advice));
  return KernelCache(std::move(folder), std::move(compiler), mostBytes);
}

std::string KernelCache::pathOfInput(const std::string &input) const {
  return folder + "/" + toHex(digestOf(bytesOf(input))) + kEnding;
}

std::string KernelCache::pathOf(const std::string &text) const {
  return pathOfInput(inputOf(text));
}

std::optional<std::vector<uint8_t>>
KernelCache::find(const std::string &text) const {
  const std::string input = inputOf(text);
  const std::string path = pathOfInput(input);
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file || file->bytes().size() < kHeaderBytes + input.size()) {
    return std::nullopt;
  }
  const std::span<const uint8_t> bytes = file->bytes();
  const auto numberAt = [&](size_t offset) {
    uint64_t number = 0;
    std::memcpy(&number, bytes.data() + offset, kNumberBytes);
    return number;
  };
  Digest digest;
  std::memcpy(digest.data(), bytes.data() + 2 * kNumberBytes, digest.size());
  const std::span<const uint8_t> stored =
      bytes.subspan(kHeaderBytes, input.size());
  const std::span<const uint8_t> code =
      bytes.subspan(kHeaderBytes + input.size());
  if (numberAt(0) != input.size() || numberAt(kNumberBytes) != code.size() ||
      !std::ranges::equal(stored, bytesOf(input)) ||
      digestOfEntry(stored, code) != digest) {
    return std::nullopt;
  }
  // The time of modification says when the entry was last used. If it cannot be
  // changed, the entry may be removed earlier than it should be.
  (void)utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  return std::vector<uint8_t>(code.begin(), code.end());
}

void KernelCache::store(const std::string &text,
                        std::span<const uint8_t> code) const {
  const std::string input = inputOf(text);
  const std::array<uint64_t, 2> sizes = {input.size(), code.size()};
  std::vector<uint8_t> header(kHeaderBytes);
  std::memcpy(header.data(), sizes.data(), 2 * kNumberBytes);
  const Digest digest = digestOfEntry(bytesOf(input), code);
  std::memcpy(header.data() + 2 * kNumberBytes, digest.data(), digest.size());

  Result<AtomicFile> file = AtomicFile::create(pathOfInput(input));
  if (!file || !file->writeAt(0, header).isOk() ||
      !file->writeAt(kHeaderBytes, bytesOf(input)).isOk() ||
      !file->writeAt(kHeaderBytes + input.size(), code).isOk() ||
      !file->commit(kHeaderBytes + input.size() + code.size()).isOk()) {
    return;
  }
  removeOldest(file->path());
}

void KernelCache::removeOldest(const std::string &kept) const {
  struct Entry {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code unknown;
    Entry entry = {at->last_write_time(unknown), at->file_size(unknown),
                   at->path()};
    // `unknown` is set if the file's time or size cannot be read, for example
    // because another process has just removed the file. Such files are
    // skipped.
    if (!unknown && entry.path.extension() == kEnding) {
      total += entry.bytes;
      if (entry.path.filename() != fs::path(kept).filename()) {
        entries.push_back(std::move(entry));
      }
    }
  }
  if (total <= mostBytes) {
    return;
  }
  std::ranges::sort(entries, [](const Entry &a, const Entry &b) {
    return std::tie(a.used, a.path) < std::tie(b.used, b.path);
  });
  for (const Entry &entry : entries) {
    if (total <= mostBytes) {
      return;
    }
    fs::remove(entry.path, error);
    total -= entry.bytes;
  }
}

} // namespace air::codegen
