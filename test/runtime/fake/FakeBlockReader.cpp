//===- FakeBlockReader.cpp - a block reader without a disk ----------------===//
#include "test/runtime/fake/FakeBlockReader.h"

#include <cstring>
#include <string>
#include <utility>

using namespace air;
using namespace air::test;

FakeBlockReader::FakeBlockReader(std::vector<uint8_t> contents, uint32_t depth,
                                 IoMethod method)
    : BlockReader(method, depth), file(std::move(contents)) {}

Status FakeBlockReader::start(const rt::BlockRequest &request) {
  submitted.push_back(request);
  flying.push_back(request);
  std::memset(request.to, kNotRead, request.bytes);
  return Status::ok();
}

void FakeBlockReader::fail(uint64_t offset, Status status, uint64_t times) {
  std::lock_guard lock(mutex);
  if (times == 0) {
    failures.erase(offset);
  } else {
    failures[offset] = {std::move(status), times};
  }
}

void FakeBlockReader::breakDown(Status status) {
  std::lock_guard lock(mutex);
  broken = std::move(status);
}

Result<rt::BlockDone> FakeBlockReader::finish() {
  std::lock_guard lock(mutex);
  AIR_RETURN_IF_ERROR(broken);
  const size_t index = next ? next(flying.size()) : 0;
  const rt::BlockRequest request = flying[index];
  flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(index));
  const auto failure = failures.lower_bound(request.offset);
  if (failure != failures.end() &&
      failure->first < request.offset + request.bytes) {
    const Status status = failure->second.status;
    if (--failure->second.times == 0) {
      failures.erase(failure);
    }
    return rt::BlockDone{request.id, status};
  }
  if (request.offset + request.bytes > file.size()) {
    return rt::BlockDone{request.id,
                         ioError("the file is truncated: it has " +
                                 std::to_string(file.size()) + " bytes")};
  }
  std::memcpy(request.to, file.data() + request.offset, request.bytes);
  countBytes(request.bytes);
  return rt::BlockDone{request.id, Status::ok()};
}
