//===- FakeBlockReader.h - a block reader without a disk --------*- C++ -*-===//
//
// Reads from the vector `file` instead of a file on disk. The test decides in
// which order requests complete and which of them fail. When a request is
// submitted, its memory is overwritten with kNotRead. The bytes of `file` are
// copied there only when wait() returns the request, so a program that does not
// wait computes with wrong bytes.
//
// Thread-safety: fail(), breakDown() and bytesRead() may be called at any time.
// The other members may only be used while no other thread can submit a request
// or wait for one.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_RUNTIME_FAKE_FAKEBLOCKREADER_H
#define AIRPACK_TEST_RUNTIME_FAKE_FAKEBLOCKREADER_H

#include "runtime/io/BlockReader.h"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace air::test {

class FakeBlockReader final : public rt::BlockReader {
public:
  static constexpr uint8_t kNotRead = 0xCD;

  FakeBlockReader(std::vector<uint8_t> contents, uint32_t depth,
                  IoMethod method = IoMethod::Uring);

  /// The file, which a test may change or shorten. A request that reaches past
  /// its end fails with Io, as it does with a real reader.
  std::vector<uint8_t> file;
  /// Given the number of requests in flight, returns which of them completes
  /// next. 0 is the one that was submitted first, which is also the default.
  std::function<size_t(size_t)> next;
  /// The next `times` requests that contain the byte at `offset` fail with
  /// `status`. If `times` is 0, such requests no longer fail.
  void fail(uint64_t offset, Status status, uint64_t times = UINT64_MAX);
  /// From now on, wait() fails, and no request completes.
  void breakDown(Status status);
  /// All requests that were submitted, the first one first.
  std::vector<rt::BlockRequest> submitted;

protected:
  Status start(const rt::BlockRequest &request) override;
  Result<rt::BlockDone> finish() override;

private:
  struct Failure {
    Status status;
    uint64_t times = 0;
  };

  std::vector<rt::BlockRequest> flying;
  std::mutex mutex;
  // The mutex guards the members below.
  std::map<uint64_t, Failure> failures; ///< by offset
  Status broken;
};

} // namespace air::test

#endif // AIRPACK_TEST_RUNTIME_FAKE_FAKEBLOCKREADER_H
