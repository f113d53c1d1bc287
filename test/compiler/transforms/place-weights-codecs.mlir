// RUN: air-opt %s --split-input-file --place-weights="planes-ratio=0.7 zstd-ratio=0.8" | FileCheck %s
// RUN: air-opt %s --split-input-file --place-weights="planes-ratio=0.7 zstd-ratio=0.98" | FileCheck %s --check-prefix=SMALL

// Each pass reads all 128 MiB of weights from the disk, which is so slow that
// the cores have time to decode. The bfloat16 weights get the codec planes. The
// others get zstd if it makes them small enough.

// CHECK: plan.segment @a weights codec planes bytes 67108864
// CHECK: plan.segment @b weights codec zstd bytes 67108864
// CHECK: plan.placement
// CHECK: plan.budget_item "staging" ram

// SMALL: plan.segment @a weights codec planes bytes 67108864
// SMALL: plan.segment @b weights codec none bytes 67108864
module attributes {plan.target = {arch = "x86_64", cores = 2 : i64, cpu = {barrier_ns = 0 : i64, bf16_dot = 0 : i64, byte_dot = 0 : i64, byte_dot_mixed = 0 : i64, fma_f32 = 0 : i64, l1d_bytes = 0 : i64, l2_bytes = 0 : i64, l3_bytes = 0 : i64, planes_decode = 4000000000 : i64, read_bandwidth = 0 : i64, streams = [], tile_ns = 0 : i64, zstd_decode = 1000000000 : i64}, disk_bandwidth = 100000000 : i64, features = [], measured = true, memory_bandwidth = 10000000000 : i64, memory_bytes = 125829120 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 100 slots 3
  plan.limits tokens 16 outputs 1 arena 4096
  plan.buffer @x row 10
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t copy [#llm.weight<"a", BF16, 16x2097152>] as BF16 rows 16 x 2097152 bytes 67108864 in @a at 0
  plan.segment @b weights codec none bytes 67108864
  plan.tensor @b.t vector [#llm.weight<"b", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @b at 0
  plan.segment @k kernels codec none bytes 500
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "1" {
      plan.dispatch "k" {op = "matmul"} (<read buffer @x>, <read tensor @a.t>, <write buffer @x>) scratch 64
    }
    plan.step norm "2" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @b.t>, <write buffer @x>)
    }
  }
}

// -----

// The rate at which this machine decodes zstd is not known. Decoding planes
// would take longer than reading the weights without a codec.

// CHECK: plan.segment @a weights codec none bytes 67108864
// CHECK: plan.segment @b weights codec none bytes 67108864
// CHECK-NOT: "staging"
module attributes {plan.target = {arch = "x86_64", cores = 2 : i64, cpu = {barrier_ns = 0 : i64, bf16_dot = 0 : i64, byte_dot = 0 : i64, byte_dot_mixed = 0 : i64, fma_f32 = 0 : i64, l1d_bytes = 0 : i64, l2_bytes = 0 : i64, l3_bytes = 0 : i64, planes_decode = 10000000 : i64, read_bandwidth = 0 : i64, streams = [], tile_ns = 0 : i64, zstd_decode = 0 : i64}, disk_bandwidth = 100000000 : i64, features = [], measured = true, memory_bandwidth = 10000000000 : i64, memory_bytes = 125829120 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 100 slots 3
  plan.limits tokens 16 outputs 1 arena 4096
  plan.buffer @x row 10
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t copy [#llm.weight<"a", BF16, 16x2097152>] as BF16 rows 16 x 2097152 bytes 67108864 in @a at 0
  plan.segment @b weights codec none bytes 67108864
  plan.tensor @b.t vector [#llm.weight<"b", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @b at 0
  plan.segment @k kernels codec none bytes 500
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "1" {
      plan.dispatch "k" {op = "matmul"} (<read buffer @x>, <read tensor @a.t>, <write buffer @x>) scratch 64
    }
    plan.step norm "2" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @b.t>, <write buffer @x>)
    }
  }
}
