//===- PageAllocator.cpp - a stack of free pages ----------------*- C++ -*-===//
#include "runtime/kv/PageAllocator.h"

using namespace air::rt;

PageAllocator::PageAllocator(uint32_t pages) : freeList(pages), holders(pages) {
  for (uint32_t i = 0; i < pages; ++i) {
    freeList[i] = pages - 1 - i;
  }
}

uint32_t PageAllocator::take() {
  const uint32_t page = freeList.back();
  freeList.pop_back();
  holders[page] = 1;
  return page;
}

void PageAllocator::release(uint32_t page) {
  if (--holders[page] == 0) {
    // The list once held all pages, so it need not allocate memory here.
    freeList.push_back(page);
  }
}
