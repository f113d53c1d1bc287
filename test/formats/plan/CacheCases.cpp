//===- CacheCases.cpp - rules of cache groups and caches ------------------===//
#include "PlanCases.h"

namespace air::test {
namespace {

plan::CacheGroupT &group(P &p) { return *p.cache_groups[0]; }
plan::CacheT &cache(P &p) { return *p.caches[0]; }

/// Sets the item "kv" of each placement to the memory that the cache groups
/// take, and adds this memory to the budget.
void setKvItems(P &p) {
  uint64_t bytes = 0;
  for (const auto &made : p.cache_groups) {
    bytes += made->pages * made->page_bytes;
  }
  for (const auto &placement : p.placements) {
    for (const auto &item : placement->items) {
      if (item->name == "kv") {
        placement->budgets[0]->bytes += bytes;
        item->bytes = bytes;
      }
    }
  }
}

/// Adds a second cache with the shape of the first, and places it after the
/// first in the pages of their group.
void addCache(P &p) {
  p.caches.push_back(std::make_unique<plan::CacheT>(cache(p)));
  p.caches[1]->offset = group(p).page_bytes;
  group(p).page_bytes *= 2;
  setKvItems(p);
}

/// Adds a group with a cache of another shape. The values have another dtype
/// and size than the keys, and a page is larger than the cache needs.
void addGroup(P &p) {
  p.cache_groups.push_back(std::make_unique<plan::CacheGroupT>(group(p)));
  p.cache_groups[1]->page_bytes = 128 + 3 * 64 * (24 * 2 + 8 * 4) + 64;
  p.caches.push_back(std::make_unique<plan::CacheT>(cache(p)));
  p.caches[1]->group = 1;
  p.caches[1]->offset = 128;
  p.caches[1]->heads = 3;
  p.caches[1]->key_dim = 24;
  p.caches[1]->value_dim = 8;
  p.caches[1]->value_dtype = 0; // F32
  setKvItems(p);
}

/// Removes all caches, and all bindings of caches.
void dropAttention(P &p) {
  p.cache_groups.clear();
  p.caches.clear();
  p.model->heads = p.model->kv_heads = p.model->head_dim = 0;
  for (const auto &program : p.programs) {
    for (const auto &step : program->steps) {
      for (const auto &dispatch : step->dispatches) {
        std::erase_if(dispatch->bindings, [](const auto &binding) {
          return binding->kind == plan::BindingKind::Kv;
        });
      }
    }
  }
  setKvItems(p);
}

template <typename F> Change inTwoCaches(F change) {
  return in([change](P &p) {
    addCache(p);
    change(p);
  });
}

template <typename F> Change inTwoGroups(F change) {
  return in([change](P &p) {
    addGroup(p);
    change(p);
  });
}

} // namespace

std::vector<Case> cacheCases() {
  return {
      {"plan.model.sizes", in([](P &p) { p.model->heads = 0; })},
      {"plan.model.sizes",
       in([](P &p) { p.model->heads = p.model->kv_heads = 0; })},
      {"plan.model.sizes", in([](P &p) { p.model->head_dim = 0; })},
      {"plan.model.heads", in([](P &p) {
         dropAttention(p);
         p.model->heads = 1;
       })},
      {"plan.context", in([](P &p) { p.context = 0; })},
      {"plan.context", in([](P &p) { p.context = uint64_t{1} << 32; })},
      {"plan.context", in([](P &p) { p.slots = 0; })},
      {"plan.context", in([](P &p) { p.slots = uint64_t{1} << 32; })},
      {"plan.cache_group.count", in([](P &p) {
         for (uint32_t i = 1; i <= 16; ++i) {
           p.cache_groups.push_back(
               std::make_unique<plan::CacheGroupT>(group(p)));
           p.caches.push_back(std::make_unique<plan::CacheT>(cache(p)));
           p.caches.back()->group = i;
         }
         setKvItems(p);
       })},
      {"plan.enum",
       in([](P &p) { group(p).kind = static_cast<plan::CacheKind>(1); })},
      {"plan.cache_group.device", in([](P &p) { group(p).device = 1; })},
      {"plan.cache_group.page_tokens",
       in([](P &p) { group(p).page_tokens = 32; })},
      {"plan.cache_group.page_bytes",
       in([](P &p) { group(p).page_bytes += 32; })},
      {"plan.cache_group.page_bytes",
       in([](P &p) { group(p).page_bytes = 0; })},
      {"plan.cache_group.pages", in([](P &p) { group(p).pages = 5; })},
      {"plan.cache_group.pages", in([](P &p) {
         p.context = p.slots = UINT32_MAX;
         group(p).pages = UINT32_MAX;
       })},
      // Together, the pages would take 2^64 bytes.
      {"plan.cache_group.pages", in([](P &p) {
         p.context = 64;
         p.slots = group(p).pages = uint64_t{1} << 31;
         group(p).page_bytes = uint64_t{1} << 33;
       })},
      {"plan.cache_group.used", inTwoGroups([](P &p) { p.caches.pop_back(); })},
      {"plan.cache_group.used", in([](P &p) {
         dropAttention(p);
         P other = makeSmallPlan().plan;
         p.cache_groups = std::move(other.cache_groups);
       })},
      {"plan.cache.group", in([](P &p) { cache(p).group = 1; })},
      {"plan.enum",
       in([](P &p) { cache(p).order = static_cast<plan::KvOrder>(2); })},
      {"plan.cache.order",
       in([](P &p) { cache(p).order = plan::KvOrder::Mma; })},
      {"plan.cache.dtype", in([](P &p) { cache(p).key_dtype = 8; })},
      {"plan.cache.dtype", in([](P &p) { cache(p).value_dtype = 8; })},
      {"plan.cache.shape", in([](P &p) { cache(p).heads = 0; })},
      {"plan.cache.shape", in([](P &p) { cache(p).key_dim = 0; })},
      {"plan.cache.shape",
       in([](P &p) { cache(p).value_dim = uint64_t{1} << 31; })},
      {"plan.cache.inside", in([](P &p) { cache(p).heads = 2; })},
      {"plan.cache.inside", in([](P &p) { cache(p).key_dim += 1; })},
      {"plan.cache.inside", in([](P &p) { cache(p).value_dim += 1; })},
      {"plan.cache.inside", in([](P &p) { cache(p).key_dtype = 0; })}, // F32
      {"plan.cache.inside", in([](P &p) { cache(p).offset = 64; })},
      {"plan.cache.inside",
       inTwoGroups([](P &p) { p.caches[1]->offset = 32; })},
      {"plan.cache.inside",
       inTwoGroups([](P &p) { p.caches[1]->offset += 128; })},
      {"plan.cache.overlap",
       inTwoCaches([](P &p) { p.caches[1]->offset -= 64; })},
      {"plan.cache.overlap",
       inTwoCaches([](P &p) { p.caches[0]->offset = p.caches[1]->offset; })},
      {"plan.binding.index", in([](P &p) {
         dropAttention(p);
         P other = makeSmallPlan().plan;
         p.programs = std::move(other.programs);
       })},
      {"plan.budget.bytes",
       inTwoGroups([](P &p) { p.cache_groups[1]->page_bytes += 64; })},
  };
}

std::vector<Change> validCaches() {
  return {
      in(addCache),
      in(addGroup),
      in(dropAttention),
      // A page contains the keys and values of every layer of its cache group.
      // Their offsets may be in any order, here those of a later layer first.
      inTwoCaches(
          [](P &p) { std::swap(p.caches[0]->offset, p.caches[1]->offset); }),
      // A page may be larger than the sum of the keys and values in it.
      in([](P &p) {
        group(p).page_bytes += 64;
        setKvItems(p);
      }),
  };
}

} // namespace air::test
