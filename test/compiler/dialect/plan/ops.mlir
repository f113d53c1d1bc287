// RUN: air-opt %s | FileCheck %s
// RUN: air-opt %s | air-opt | FileCheck %s
// RUN: air-opt %s --mlir-print-op-generic | air-opt | FileCheck %s

// Every kind of record in a plan is printed and parsed again.

// CHECK: plan.limits tokens 64 outputs 16 arena 8192
plan.limits tokens 64 outputs 16 arena 8192
// CHECK: plan.kv F16 page_tokens 64 caches 1 heads 1 head_dim 4 context 512 slots 2
plan.kv F16 page_tokens 64 caches 1 heads 1 head_dim 4 context 512 slots 2

// 32 rows of 8 float32 take 1024 bytes in the layout `rows`. q, k and v
// together have 16 rows of 8 float32, which take 512 bytes: one row block in
// the layout `x16`.
// CHECK: plan.tensor @t copy [#llm.weight<"token_embd.weight", F32, 32x8>] as F32 rows 32 x 8 bytes 1024 in @layer.0 at 0
plan.tensor @t copy [#llm.weight<"token_embd.weight", F32, 32x8>] as F32 rows 32 x 8 bytes 1024 in @layer.0 at 0
// CHECK: plan.tensor @qkv concat [#llm.weight<"q", F32, 8x8>, #llm.weight<"k", F32, 4x8>, #llm.weight<"v", F32, 4x8>] as F32 x16 16 x 8 bytes 512 in @layer.0 at 1024
plan.tensor @qkv concat [#llm.weight<"q", F32, 8x8>, #llm.weight<"k", F32, 4x8>, #llm.weight<"v", F32, 4x8>] as F32 x16 16 x 8 bytes 512 in @layer.0 at 1024
// CHECK: plan.tensor @"gate+up" join [#llm.weight<"gate", F32, 8x8>, #llm.weight<"up", F32, 8x8>] as F32 rows 8 x 16 bytes 512{{$}}
plan.tensor @"gate+up" join [#llm.weight<"gate", F32, 8x8>, #llm.weight<"up", F32, 8x8>] as F32 rows 8 x 16 bytes 512
// CHECK: plan.tensor @bias vector [#llm.weight<"qb", F16, 8>, #llm.weight<"kb", F32, 4>] as F32 rows 1 x 12 bytes 48
plan.tensor @bias vector [#llm.weight<"qb", F16, 8>, #llm.weight<"kb", F32, 4>] as F32 rows 1 x 12 bytes 48
// CHECK: plan.tensor @n vector
plan.tensor @n vector [#llm.weight<"norm", F32, 8>] as F32 rows 1 x 8 bytes 32
// CHECK: plan.tensor @frequencies inverse_frequencies [] rope <norm, dim = 4, base = 1.000000e+04, factors = <"rope_freqs.weight", F32, 2>> as F64 rows 1 x 2 bytes 16
plan.tensor @frequencies inverse_frequencies [] rope <norm, dim = 4, base = 1.0e4, factors = <"rope_freqs.weight", F32, 2>> as F64 rows 1 x 2 bytes 16

// CHECK: plan.segment @layer.0 weights codec none bytes 1536
plan.segment @layer.0 weights codec none bytes 1536
// CHECK: plan.segment @code kernels codec zstd bytes 100
plan.segment @code kernels codec zstd bytes 100
// CHECK: plan.executable @cpu abi 1 entries ["a", "b"] in @code
plan.executable @cpu abi 1 entries ["a", "b"] in @code

// CHECK: plan.buffer @x row 8 at 0 bytes 2048
plan.buffer @x row 8 at 0 bytes 2048
// CHECK: plan.buffer @y row 8
plan.buffer @y row 8
// CHECK: plan.buffer @row row 16
plan.buffer @row row 16
// CHECK: plan.buffer @angles row 4
plan.buffer @angles row 4
// CHECK: plan.buffer @states row 16 most 1 at 0 bytes 1024
plan.buffer @states row 16 most 1 at 0 bytes 1024
// CHECK: plan.buffer @logits row 32 rows <outputs> output
plan.buffer @logits row 32 rows <outputs> output

// CHECK: plan.program @m1 tokens 1 to 1 {
plan.program @m1 tokens 1 to 1 {
  // CHECK: plan.step positions "positions" {
  plan.step positions "positions" {
    // CHECK: plan.dispatch "angles" {head_dim = 4 : i64, op = "rope_angles", rope_dim = 4 : i64} (<read tensor @frequencies>, <write buffer @angles>)
    plan.dispatch "angles" {op = "rope_angles", head_dim = 4, rope_dim = 4} (<read tensor @frequencies>, <write buffer @angles>)
  }
  // CHECK: plan.step attn_in layer 0 "layer.0.attn_in" {
  plan.step attn_in layer 0 "layer.0.attn_in" {
    // CHECK: plan.dispatch "norm" {epsilon = 9.99999974E-6 : f32, k = 8 : i64, op = "rms_norm"} (<read buffer @x>, <read tensor @n>, <write buffer @y>) tiles 2 per 4 weight_bytes 32 flops_per_row 33 scratch 64 overlap
    plan.dispatch "norm" {op = "rms_norm", k = 8, epsilon = 1.0e-5 : f32} (<read buffer @x>, <read tensor @n>, <write buffer @y>) tiles 2 per 4 weight_bytes 32 flops_per_row 33 scratch 64 overlap
    // CHECK: plan.dispatch "matmul" {{{.*}}} (<read buffer @y>, <read tensor @qkv>, <read_write buffer @row>) arithmetic <int15>{{$}}
    plan.dispatch "matmul" {op = "matmul", n = 16, k = 8, accumulate = true, dtype = "Q4_K", layout = "rows", m_class = "small"} (<read buffer @y>, <read tensor @qkv>, <read_write buffer @row>) arithmetic <int15>
    // CHECK: plan.dispatch "append" {{{.*}}} (<read_write buffer @row>, <read buffer @angles>, <write kv 0>)
    plan.dispatch "append" {op = "rope_append", rope = "neox"} (<read_write buffer @row>, <read buffer @angles>, <write kv 0>)
  }
  // CHECK: plan.step head "head" {
  plan.step head "head" {
    // CHECK: plan.dispatch "norm" {{{.*}}rows_from = "outputs"} (<read buffer @x>, <read tensor @n>, <write buffer @y>) rows <outputs>
    plan.dispatch "norm" {op = "rms_norm", k = 8, rows_from = "outputs"} (<read buffer @x>, <read tensor @n>, <write buffer @y>) rows <outputs>
  }
}

// CHECK: plan.program @"m2-8" tokens 2 to 8 tiles 4 {
plan.program @"m2-8" tokens 2 to 8 tiles 4 {
}

// CHECK: plan.read @layer.0 before 0
plan.read @layer.0 before 0
// CHECK: plan.placement resident [1536, 100] ring 8192 {
plan.placement resident [1536, 100] ring 8192 {
  // CHECK-NEXT: plan.budget ram bytes 0
  plan.budget ram bytes 0
  // CHECK-NEXT: plan.budget_item "weights" ram bytes 1536
  plan.budget_item "weights" ram bytes 1536
  // CHECK-NEXT: plan.stream @layer.0 at 0 bytes 4096 to 4096 before 2 after -1
  plan.stream @layer.0 at 0 bytes 4096 to 4096 before 2 after -1
  // CHECK-NEXT: plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1536, bandwidth = 100>, #plan.link<name = "disk", bytes_per_pass = 0>] nanoseconds 15 limit "dram"
  plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1536, bandwidth = 100>, #plan.link<name = "disk", bytes_per_pass = 0>] nanoseconds 15 limit "dram"
  // CHECK-NEXT: }
}
// CHECK: plan.placement resident [1536, 0] ring 0 device [0, 1] device_ring 8192 {
plan.placement resident [1536, 0] ring 0 device [0, 1] device_ring 8192 {
  // CHECK-NEXT: plan.device_stream @layer.0 at 0 bytes 4096 to 4096 before 2 after -1
  plan.device_stream @layer.0 at 0 bytes 4096 to 4096 before 2 after -1
  // CHECK-NEXT: }
}
// CHECK: plan.decision "context" = "512" by user
plan.decision "context" = "512" by user
