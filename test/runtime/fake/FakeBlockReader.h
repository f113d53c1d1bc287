//===- FakeBlockReader.h - a block reader without a disk --------*- C++ -*-===//
//
// Reads from a vector instead of a file. The test decides in which order
// requests complete and which of them fail. The memory of a request is
// overwritten with kNotRead when it is submitted, and gets the file's bytes
// only when wait() returns the request, so that a program that does not wait
// computes with wrong bytes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_RUNTIME_FAKE_FAKEBLOCKREADER_H
#define AIRPACK_TEST_RUNTIME_FAKE_FAKEBLOCKREADER_H

#include "runtime/io/BlockReader.h"

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace air::test {

class FakeBlockReader final : public rt::BlockReader {
public:
  static constexpr uint8_t kNotRead = 0xCD;

  FakeBlockReader(std::vector<uint8_t> contents, uint32_t depth,
                  IoMethod method = IoMethod::Uring);

  /// The file. A test may change or shorten it at any time. A request that
  /// reaches past its end fails with Io, as it does with a real reader.
  std::vector<uint8_t> file;
  /// Given the number of requests in flight, returns which of them completes
  /// next: 0 is the one that was submitted first. By default it is that one.
  std::function<size_t(size_t)> next;
  /// A request that contains the byte at an offset fails with the status.
  std::map<uint64_t, Status> failures;
  /// All requests that were submitted, in this order.
  std::vector<rt::BlockRequest> submitted;

protected:
  Status start(const rt::BlockRequest &request) override;
  Result<rt::BlockDone> finish() override;

private:
  std::vector<rt::BlockRequest> flying;
};

} // namespace air::test

#endif // AIRPACK_TEST_RUNTIME_FAKE_FAKEBLOCKREADER_H
