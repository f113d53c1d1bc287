//===- VerifyCaches.cpp - rules of cache groups and caches ----------------===//
#include "formats/abi/KernelAbi.h"
#include "formats/dtype/DType.h"
#include "formats/plan/PlanRules.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace air::rules {

/// The number of elements of a head that one tile holds in a cache whose order
/// is KvOrder::Mma.
constexpr uint64_t kMmaElements = 16;

static std::string groupText(uint32_t index) {
  return "cache group " + str(index);
}

static Status verifyGroup(const plan::Plan &plan, uint32_t index) {
  const plan::CacheGroup &group = *plan.cache_groups()->Get(index);
  const std::string where = groupText(index);
  AIR_RETURN_IF_ERROR(checkEnum(where, "kind",
                                static_cast<uint8_t>(group.kind()),
                                plan::EnumNameCacheKind(group.kind())));
  AIR_RETURN_IF_ERROR(
      checkDevice("plan.cache_group.device", plan, group.device(), where));
  if (group.page_tokens() != AIR_KV_PAGE_TOKENS) {
    return broken("plan.cache_group.page_tokens", where,
                  "a page has " + countOf(group.page_tokens(), "token") +
                      "; kernels require " + str(AIR_KV_PAGE_TOKENS));
  }
  if (group.page_bytes() == 0 ||
      group.page_bytes() % AIR_BINDING_ALIGNMENT != 0) {
    return broken("plan.cache_group.page_bytes", where,
                  "a page has " + str(group.page_bytes()) +
                      " bytes; it must have a multiple of " +
                      str(AIR_BINDING_ALIGNMENT) + " and at least one");
  }
  // This cannot overflow, because both factors are below 2^32. More than
  // UINT32_MAX pages are refused below, because block tables hold 32-bit
  // indices of pages.
  const uint64_t pages =
      plan.slots() * ceilDiv(plan.context(), group.page_tokens());
  if (group.pages() != pages || pages > UINT32_MAX ||
      !checkedMul(pages, group.page_bytes())) {
    return broken("plan.cache_group.pages", where,
                  "there are " + str(group.pages()) + " pages of " +
                      str(group.page_bytes()) + " bytes; " +
                      countOf(plan.slots(), "slot") + " of " +
                      str(plan.context()) + " tokens need " + str(pages) +
                      ", and at most " + str(UINT32_MAX) +
                      " pages and 2^64 - 1 bytes are allowed");
  }
  return Status::ok();
}

/// The bytes of one element, or nullopt if caches cannot have this dtype.
static std::optional<uint64_t> elementBytes(uint16_t dtype) {
  if (dtype == static_cast<uint16_t>(DType::F16)) {
    return 2;
  }
  return dtype == static_cast<uint16_t>(DType::F32) ? std::optional<uint64_t>(4)
                                                    : std::nullopt;
}

static Status verifyDtypes(const plan::Cache &cache, const std::string &where) {
  const struct {
    const char *field;
    uint16_t dtype;
  } dtypes[] = {{"key_dtype", cache.key_dtype()},
                {"value_dtype", cache.value_dtype()}};
  for (const auto &[field, dtype] : dtypes) {
    const bool isMma = cache.order() == plan::KvOrder::Mma;
    if (!elementBytes(dtype) || (isMma && *elementBytes(dtype) != 2)) {
      return broken("plan.cache.dtype", where,
                    std::string(field) + " is " + str(dtype) + "; it must be " +
                        str(static_cast<uint16_t>(DType::F16)) + " (F16)" +
                        (isMma
                             ? ""
                             : " or " + str(static_cast<uint16_t>(DType::F32)) +
                                   " (F32)"));
    }
  }
  return Status::ok();
}

/// The number of bytes that a cache takes in each page; nullopt if it is 2^64
/// or more. The dtypes and dimensions have been checked.
static std::optional<uint64_t> partBytes(const plan::Cache &cache,
                                         uint64_t pageTokens) {
  const uint64_t block = cache.order() == plan::KvOrder::Mma ? kMmaElements : 1;
  // This cannot overflow, because the dimensions are below 2^31 and an element
  // has at most 4 bytes.
  const uint64_t token =
      alignUp(cache.key_dim(), block) * *elementBytes(cache.key_dtype()) +
      alignUp(cache.value_dim(), block) * *elementBytes(cache.value_dtype());
  const auto head = checkedMul(token, pageTokens);
  return head ? checkedMul(*head, cache.heads()) : std::nullopt;
}

static Status verifyCache(const plan::Plan &plan, uint32_t index) {
  const plan::Cache &cache = *plan.caches()->Get(index);
  const std::string where = "cache " + str(index);
  if (cache.group() >= sizeOf(plan.cache_groups())) {
    return broken("plan.cache.group", where,
                  "refers to cache group " + str(cache.group()) +
                      ", but there are only " +
                      str(sizeOf(plan.cache_groups())));
  }
  const plan::CacheGroup &group = *plan.cache_groups()->Get(cache.group());
  AIR_RETURN_IF_ERROR(checkEnum(where, "order",
                                static_cast<uint8_t>(cache.order()),
                                plan::EnumNameKvOrder(cache.order())));
  if ((cache.order() == plan::KvOrder::Mma) != (group.device() != 0)) {
    return broken("plan.cache.order", where,
                  std::string("has order ") +
                      plan::EnumNameKvOrder(cache.order()) + " on device " +
                      str(group.device()) +
                      "; the order must be Cpu on the CPU (device 0), and Mma "
                      "on a GPU");
  }
  AIR_RETURN_IF_ERROR(verifyDtypes(cache, where));
  const struct {
    const char *field;
    uint64_t value;
  } sizes[] = {{"heads", cache.heads()},
               {"key_dim", cache.key_dim()},
               {"value_dim", cache.value_dim()}};
  for (const auto &[field, value] : sizes) {
    if (value == 0 || value > INT32_MAX) {
      return broken("plan.cache.shape", where,
                    std::string(field) + " is " + str(value) +
                        "; it must be 1 to " + str(INT32_MAX));
    }
  }
  const auto bytes = partBytes(cache, group.page_tokens());
  if (cache.offset() % AIR_BINDING_ALIGNMENT != 0 || !bytes ||
      !rangeFits(cache.offset(), *bytes, group.page_bytes())) {
    return broken("plan.cache.inside", where,
                  "takes " + (bytes ? str(*bytes) : "2^64 or more") +
                      " bytes at offset " + str(cache.offset()) +
                      " of a page; the offset must be a multiple of " +
                      str(AIR_BINDING_ALIGNMENT) + ", and the page of " +
                      groupText(cache.group()) + " has " +
                      str(group.page_bytes()) + " bytes");
  }
  return Status::ok();
}

/// Checks that the caches of a group do not share bytes of a page, and that
/// every group has a cache.
static Status verifyApart(const plan::Plan &plan) {
  std::vector<uint32_t> order;
  std::vector<bool> isUsed(sizeOf(plan.cache_groups()));
  for (uint32_t i = 0; i < sizeOf(plan.caches()); ++i) {
    order.push_back(i);
    isUsed[plan.caches()->Get(i)->group()] = true;
  }
  const auto unused = std::find(isUsed.begin(), isUsed.end(), false);
  if (unused != isUsed.end()) {
    return broken("plan.cache_group.used",
                  groupText(static_cast<uint32_t>(unused - isUsed.begin())),
                  "has no cache");
  }
  const auto placeOf = [&](uint32_t cache) {
    const plan::Cache &record = *plan.caches()->Get(cache);
    return std::pair(record.group(), record.offset());
  };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(placeOf(a), a) < std::pair(placeOf(b), b);
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const plan::Cache &before = *plan.caches()->Get(order[i - 1]);
    const auto [group, offset] = placeOf(order[i]);
    // The part has been found to lie in its page, so the sum cannot overflow.
    const uint64_t end =
        before.offset() +
        *partBytes(before, plan.cache_groups()->Get(group)->page_tokens());
    if (before.group() == group && offset < end) {
      return broken("plan.cache.overlap", "cache " + str(order[i]),
                    "begins at byte " + str(offset) + " of the pages of " +
                        groupText(group) + ", but cache " + str(order[i - 1]) +
                        " ends at byte " + str(end));
    }
  }
  return Status::ok();
}

Status verifyCaches(const plan::Plan &plan) {
  if (plan.context() == 0 || plan.context() > UINT32_MAX || plan.slots() == 0 ||
      plan.slots() > UINT32_MAX) {
    return broken("plan.context", "plan",
                  "context is " + str(plan.context()) + " and slots is " +
                      str(plan.slots()) + "; both must be 1 to " +
                      str(UINT32_MAX));
  }
  if (sizeOf(plan.cache_groups()) > kMaxCacheGroups) {
    return broken("plan.cache_group.count", "cache groups",
                  "there are " + str(sizeOf(plan.cache_groups())) +
                      "; at most " + str(kMaxCacheGroups) + " are allowed");
  }
  for (uint32_t i = 0; i < sizeOf(plan.cache_groups()); ++i) {
    AIR_RETURN_IF_ERROR(verifyGroup(plan, i));
  }
  for (uint32_t i = 0; i < sizeOf(plan.caches()); ++i) {
    AIR_RETURN_IF_ERROR(verifyCache(plan, i));
  }
  return verifyApart(plan);
}

} // namespace air::rules
