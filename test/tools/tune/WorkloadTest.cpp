//===- WorkloadTest.cpp - what a run of one kernel reads ------------------===//
#include "tools/tune/Workload.h"

#include <gtest/gtest.h>

namespace air::tune {
namespace {

using codegen::KernelOp;
using codegen::KernelSpec;

/// Runs `spec` once with a batch of `tokens` tokens. In attention, the last of
/// them sees `context` keys. Returns the number of bytes that a run must read
/// from memory.
double bytesRead(const KernelSpec &spec, uint64_t tokens,
                 uint32_t context = 0) {
  RotatingMemory memory;
  auto work =
      Workload::create({&spec, 1}, {tokens, context}, memory, hostProfile(), 1);
  if (!work.isOk()) {
    ADD_FAILURE() << work.status().message();
    return 0;
  }
  Status status = (*work)->run();
  EXPECT_TRUE(status.isOk()) << status.message();
  return (*work)->bytesRead();
}

TEST(Workload, AMatMulWaitsForItsWeights) {
  KernelSpec spec;
  spec.dtype = DType::Q8_0; // 34 bytes per 32 weights
  spec.n = spec.yStride = 64;
  spec.k = 128;
  spec.hasBias = true;
  EXPECT_EQ(bytesRead(spec, 1), 64 * 128 / 32 * 34);
}

TEST(Workload, AnEmbeddingWaitsForTheRowsOfItsTokens) {
  KernelSpec spec;
  spec.op = KernelOp::EmbedRows;
  spec.layout = Layout::Rows;
  spec.n = 100;
  spec.k = 64;
  EXPECT_EQ(bytesRead(spec, 3), 3 * 64 * 4);
}

TEST(Workload, OpsWithoutWeightsWaitForTheRowsThatTheyRead) {
  KernelSpec spec;
  spec.op = KernelOp::RmsNorm;
  spec.k = 64;
  spec.epsilon = 1e-5F;
  EXPECT_EQ(bytesRead(spec, 5), 5 * 64 * 4);
  spec = KernelSpec();
  spec.op = KernelOp::Add; // reads both operands, x and y
  spec.k = 64;
  EXPECT_EQ(bytesRead(spec, 5), 2 * 5 * 64 * 4);
}

TEST(Workload, RopeAppendTakesTheNormsOfItsHeads) {
  KernelSpec spec;
  spec.op = KernelOp::RopeAppend;
  spec.heads = 4;
  spec.kvHeads = 2;
  spec.headDim = spec.ropeDim = 32;
  spec.rope = codegen::RopeKind::Neox;
  spec.qkNorm = true;
  spec.epsilon = 1e-6F;
  // A page holds K and V of 2 KV heads of 32 elements for 64 tokens, and a
  // float16 takes 2 bytes.
  spec.kvPageBytes = 2 * 2 * 32 * 64 * 2;
  // Only the rows of qkv come from memory. The RoPE angles stay in a cache,
  // because they are few and all layers read the same ones.
  EXPECT_EQ(bytesRead(spec, 3), 3 * (4 + 2 + 2) * 32 * 4);
}

TEST(Workload, AttentionWaitsForThePagesOfItsContext) {
  KernelSpec spec;
  spec.op = KernelOp::Attention;
  spec.heads = 4;
  spec.kvHeads = 2;
  spec.headDim = 32;
  spec.scale = 0.125F;
  spec.kvPageBytes = 2 * 2 * 32 * 64 * 2;
  EXPECT_EQ(bytesRead(spec, 1, 100), 2 * spec.kvPageBytes);
  // If a page holds several layers, attention reads only one of them.
  const uint64_t ofLayer = spec.kvPageBytes;
  spec.kvPageBytes *= 3;
  EXPECT_EQ(bytesRead(spec, 1, 100), 2 * ofLayer);
}

} // namespace
} // namespace air::tune
