//===- Runtime.cpp - the devices that sessions share ----------------------===//
#include "runtime/exec/Runtime.h"

#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// Returns a key that consists of the fields by which openers choose a GPU. An
/// opener would therefore choose the same GPU for two records with equal keys.
std::string keyOf(const plan::Device &record) {
  const std::string ptx =
      record.ptx_arch() == nullptr ? "" : record.ptx_arch()->str();
  return record.arch()->str() + '\n' + ptx + '\n' + record.name()->str() +
         '\n' + std::to_string(record.multiprocessors());
}

} // namespace

Result<std::shared_ptr<ThreadPool>> Runtime::threads(uint32_t threads) {
  const std::lock_guard lock(mutex);
  std::weak_ptr<ThreadPool> &known = pools[threads];
  std::shared_ptr<ThreadPool> pool = known.lock();
  if (!pool) {
    AIR_ASSIGN_OR_RETURN(pool, ThreadPool::create(threads));
    known = pool;
  }
  return pool;
}

Result<SharedDevice> Runtime::newDevice(const plan::Device &record) {
  SharedDevice made;
  {
    const std::lock_guard lock(mutex);
    std::weak_ptr<const Gpu> &known = gpus[keyOf(record)];
    made.gpu = known.lock();
    if (!made.gpu) {
      AIR_ASSIGN_OR_RETURN(made.gpu, opener(record));
      known = made.gpu;
    }
  }
  AIR_ASSIGN_OR_RETURN(made.device, made.gpu->newDevice(record.memory_bytes()));
  return made;
}
