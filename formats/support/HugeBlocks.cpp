//===- HugeBlocks.cpp - writes a file in blocks of huge pages -------------===//
#include "formats/support/HugeBlocks.h"

#include <algorithm>

namespace air {

Status HugeBlocks::write(AtomicFile &file, uint64_t offset,
                         std::span<const uint8_t> bytes) {
  if (offset != begin + pending.size()) {
    AIR_RETURN_IF_ERROR(flush(file));
    begin = offset;
  }
  while (!bytes.empty()) {
    const uint64_t end = begin + pending.size();
    const auto part = bytes.first(
        std::min<uint64_t>(bytes.size(), kBlockBytes - end % kBlockBytes));
    pending.insert(pending.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if ((end + part.size()) % kBlockBytes == 0) {
      AIR_RETURN_IF_ERROR(flush(file));
    }
  }
  return Status::ok();
}

Status HugeBlocks::flush(AtomicFile &file) {
  AIR_RETURN_IF_ERROR(file.writeAt(begin, pending));
  begin += pending.size();
  pending.clear();
  return Status::ok();
}

} // namespace air
