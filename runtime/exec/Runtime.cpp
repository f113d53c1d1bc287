//===- Runtime.cpp - the devices that sessions share ----------------------===//
#include "runtime/exec/Runtime.h"

#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// What decides which GPU an opener chooses.
std::string keyOf(const plan::Device &record) {
  const std::string ptx =
      record.ptx_arch() == nullptr ? "" : record.ptx_arch()->str();
  return record.arch()->str() + '\n' + ptx + '\n' + record.name()->str() +
         '\n' + std::to_string(record.multiprocessors());
}

} // namespace

Result<std::shared_ptr<ThreadPool>> Runtime::threads(uint32_t threads) {
  const std::lock_guard lock(mutex);
  std::shared_ptr<ThreadPool> &pool = pools[threads];
  if (!pool) {
    AIR_ASSIGN_OR_RETURN(pool, ThreadPool::create(threads));
  }
  return pool;
}

Result<std::unique_ptr<Device>> Runtime::newDevice(const plan::Device &record) {
  std::shared_ptr<const Gpu> gpu;
  {
    const std::lock_guard lock(mutex);
    std::shared_ptr<const Gpu> &known = gpus[keyOf(record)];
    if (!known) {
      AIR_ASSIGN_OR_RETURN(known, opener(record));
    }
    gpu = known;
  }
  return gpu->newDevice(record.memory_bytes());
}
