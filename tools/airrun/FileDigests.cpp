//===- FileDigests.cpp - digests of files, remembered ---------------------===//
#include "tools/airrun/FileDigests.h"

#include "formats/support/AtomicFile.h"
#include "formats/support/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace air {
namespace {

/// A JSON file of more than this number of bytes is ignored. The file has some
/// 150 bytes for each file whose digest it holds.
constexpr uint64_t kMostBytes = uint64_t{1} << 20;
constexpr size_t kBlockBytes = size_t{1} << 20;

class OpenFile {
public:
  explicit OpenFile(const std::string &path)
      : descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor >= 0) {
      close(descriptor);
    }
  }
  OpenFile(const OpenFile &) = delete;
  OpenFile &operator=(const OpenFile &) = delete;
  int get() const { return descriptor; }

private:
  int descriptor;
};

std::string textOf(const struct timespec &time) {
  return std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec);
}

std::string identityOf(const struct stat &facts) {
  return std::to_string(facts.st_dev) + " " + std::to_string(facts.st_ino) +
         " " + std::to_string(facts.st_size) + " " + textOf(facts.st_mtim) +
         " " + textOf(facts.st_ctim);
}

bool isSettled(const struct stat &facts) {
  const int64_t now = std::time(nullptr);
  return facts.st_ctim.tv_sec + FileDigests::kSettledSeconds <= now &&
         facts.st_mtim.tv_sec + FileDigests::kSettledSeconds <= now;
}

std::optional<Digest> fromHex(const std::string &text) {
  Digest digest{};
  if (text.size() != 2 * digest.size() ||
      text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return std::nullopt;
  }
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(
        std::strtoul(text.substr(2 * i, 2).c_str(), nullptr, 16));
  }
  return digest;
}

} // namespace

FileDigests FileDigests::open(std::string path) {
  FileDigests digests;
  digests.memory = std::move(path);
  Result<MappedFile> file = MappedFile::open(digests.memory);
  if (!file || file->bytes().size() > kMostBytes) {
    return digests;
  }
  const auto json = nlohmann::json::parse(file->bytes().begin(),
                                          file->bytes().end(), nullptr, false);
  if (!json.is_array()) {
    return digests;
  }
  for (const auto &entry : json) {
    const auto *const known = entry.is_object() ? &entry : nullptr;
    if (known == nullptr || !known->contains("file") ||
        !known->contains("digest") || !(*known)["file"].is_string() ||
        !(*known)["digest"].is_string()) {
      continue;
    }
    digests.files.push_back({(*known)["file"].get<std::string>(),
                             (*known)["digest"].get<std::string>()});
  }
  return digests;
}

Result<Digest>
FileDigests::digestOf(const std::string &file,
                      const std::function<void(uint64_t)> &progress) {
  const auto fail = [&](const char *what) {
    return ioError("cannot " + std::string(what) + " '" + file +
                   "': " + std::strerror(errno));
  };
  const OpenFile opened(file);
  struct stat before = {};
  if (opened.get() < 0 || fstat(opened.get(), &before) != 0) {
    return fail("open");
  }
  if (!S_ISREG(before.st_mode)) {
    return corruptError("'" + file + "' is not a regular file");
  }
  const std::string identity = identityOf(before);
  for (const Known &known : files) {
    const std::optional<Digest> digest = fromHex(known.digest);
    if (known.file == identity && digest) {
      return *digest;
    }
  }
  posix_fadvise(opened.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  DigestStream stream;
  const auto block = std::make_unique<uint8_t[]>(kBlockBytes);
  uint64_t done = 0;
  while (true) {
    const ssize_t got = read(opened.get(), block.get(), kBlockBytes);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail("read");
    }
    if (got == 0) {
      break;
    }
    stream.update({block.get(), static_cast<size_t>(got)});
    done += static_cast<uint64_t>(got);
    progress(done);
  }
  struct stat after = {};
  if (fstat(opened.get(), &after) != 0 || identityOf(after) != identity) {
    return ioError("'" + file +
                   "' was changed while it was being read; run "
                   "the command again when no other program writes to it");
  }
  const Digest digest = stream.finish();
  if (isSettled(after)) {
    if (files.size() == kMostFiles) {
      files.erase(files.begin());
    }
    files.push_back({identity, toHex(digest)});
    isChanged = true;
  }
  return digest;
}

Status FileDigests::save() {
  if (!isChanged) {
    return Status::ok();
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Known &known : files) {
    json.push_back({{"file", known.file}, {"digest", known.digest}});
  }
  const std::string text = json.dump(1) + "\n";
  AIR_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(memory));
  AIR_RETURN_IF_ERROR(file.writeAt(
      0, {reinterpret_cast<const uint8_t *>(text.data()), text.size()}));
  AIR_RETURN_IF_ERROR(file.commit(text.size()));
  isChanged = false;
  return Status::ok();
}

} // namespace air
