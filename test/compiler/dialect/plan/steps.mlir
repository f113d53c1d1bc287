// RUN: air-opt %s | FileCheck %s
// RUN: air-opt %s | air-opt | FileCheck %s
// RUN: air-opt %s --mlir-print-op-generic | air-opt | FileCheck %s

// Every step op, with every optional part, is printed and parsed again.

// CHECK: plan.model <name = "tiny", architecture = "qwen3", vocabulary = 32, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1000>
plan.model <name = "tiny", architecture = "qwen3", vocabulary = 32, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1000>

// CHECK-LABEL: plan.graph @fused {
plan.graph @fused {
// CHECK: ^bb0(%[[IDS:.*]]: tensor<?xi32>):
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = plan.embed %[[IDS]] <"t", F32, 32x8> scale 2.000000e+00 : tensor<?x8xf32>
  %x = plan.embed %ids <"t", F32, 32x8> scale 2.0 : tensor<?x8xf32>
  // CHECK: %[[QKV:.*]] = plan.attn_in %[[X]] layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 norm <"n", F32, 8> epsilon 1.000000e+00 q <"q", F16, 8x8> bias <"qb", F32, 8> k <"k", F16, 4x8> bias <"kb", F32, 4> v <"v", F16, 4x8> bias <"vb", F32, 4> q_norm <"qn", F32, 4> k_norm <"kn", F32, 4> epsilon 2.000000e+00 rope <neox, dim = 4, base = 1.000000e+06> : tensor<?x8xf32> -> tensor<?x16xf32>
  %qkv = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 norm <"n", F32, 8> epsilon 1.0 q <"q", F16, 8x8> bias <"qb", F32, 8> k <"k", F16, 4x8> bias <"kb", F32, 4> v <"v", F16, 4x8> bias <"vb", F32, 4> q_norm <"qn", F32, 4> k_norm <"kn", F32, 4> epsilon 2.0 rope <neox, dim = 4, base = 1.0e6> : tensor<?x8xf32> -> tensor<?x16xf32>
  // CHECK: %[[H:.*]] = plan.attn %[[QKV]] layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 scale 5.000000e-01 : tensor<?x16xf32> -> tensor<?x8xf32>
  %h = plan.attn %qkv layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x16xf32> -> tensor<?x8xf32>
  // CHECK: %[[X1:.*]] = plan.attn_out %[[H]] into %[[X]] layer 0 <"o", F32, 8x8> bias <"ob", F32, 8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %x1 = plan.attn_out %h into %x layer 0 <"o", F32, 8x8> bias <"ob", F32, 8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[F:.*]] = plan.ffn_in %[[X1]] layer 0 norm <"fn", F32, 8> epsilon 1.000000e+00 gate <"g", F32, 12x8> up <"u", BF16, 12x8> : tensor<?x8xf32> -> tensor<?x12xf32>
  %f = plan.ffn_in %x1 layer 0 norm <"fn", F32, 8> epsilon 1.0 gate <"g", F32, 12x8> up <"u", BF16, 12x8> : tensor<?x8xf32> -> tensor<?x12xf32>
  // CHECK: %[[X2:.*]] = plan.ffn_out %[[F]] into %[[X1]] layer 0 <"d", F32, 8x12> : tensor<?x12xf32> -> tensor<?x8xf32>
  %x2 = plan.ffn_out %f into %x1 layer 0 <"d", F32, 8x12> : tensor<?x12xf32> -> tensor<?x8xf32>
  // CHECK: %[[L:.*]] = plan.head %[[X2]] norm <"on", F32, 8> epsilon 1.000000e+00 <"out", F32, 32x8> bias <"outb", F32, 32> : tensor<?x8xf32> -> tensor<?x32xf32>
  %l = plan.head %x2 norm <"on", F32, 8> epsilon 1.0 <"out", F32, 32x8> bias <"outb", F32, 32> : tensor<?x8xf32> -> tensor<?x32xf32>
  // CHECK: plan.return %[[L]] : tensor<?x32xf32>
  plan.return %l : tensor<?x32xf32>
}

// CHECK-LABEL: plan.graph @plain {
plan.graph @plain {
// CHECK: ^bb0(%[[IDS:.*]]: tensor<?xi32>):
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = plan.embed %[[IDS]] <"t", F32, 32x8> : tensor<?x8xf32>
  %x = plan.embed %ids <"t", F32, 32x8> : tensor<?x8xf32>
  // CHECK: plan.attn_in %[[X]] layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F16, 8x8> k <"k", F16, 4x8> v <"v", F16, 4x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  %qkv = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F16, 8x8> k <"k", F16, 4x8> v <"v", F16, 4x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  // CHECK: %[[N:.*]] = plan.norm %[[X]] layer 0 <"n", F32, 8> epsilon 1.000000e+00 : tensor<?x8xf32>
  %n = plan.norm %x layer 0 <"n", F32, 8> epsilon 1.0 : tensor<?x8xf32>
  // CHECK: %[[F:.*]] = plan.ffn_in %[[N]] layer 0 gate <"g", F32, 8x8> up <"u", F32, 8x8>
  %f = plan.ffn_in %n layer 0 gate <"g", F32, 8x8> up <"u", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[M:.*]] = plan.matmul %[[F]] layer 0 <"m", F32, 8x8> bias <"mb", F32, 8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %m = plan.matmul %f layer 0 <"m", F32, 8x8> bias <"mb", F32, 8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[G:.*]] = plan.glu %[[M]], %[[N]] layer 0 : tensor<?x8xf32>
  %g = plan.glu %m, %n layer 0 : tensor<?x8xf32>
  // CHECK: %[[A:.*]] = plan.add %[[G]] into %[[X]] layer 0 : tensor<?x8xf32>
  %a = plan.add %g into %x layer 0 : tensor<?x8xf32>
  // CHECK: %[[S:.*]] = plan.norm %[[A]] <"on", F32, 8> epsilon 1.000000e+00 select : tensor<?x8xf32>
  %s = plan.norm %a <"on", F32, 8> epsilon 1.0 select : tensor<?x8xf32>
  // CHECK: %[[L:.*]] = plan.matmul %[[S]] <"out", F32, 32x8> rows <outputs> : tensor<?x8xf32> -> tensor<?x32xf32>
  %l = plan.matmul %s <"out", F32, 32x8> rows <outputs> : tensor<?x8xf32> -> tensor<?x32xf32>
  // CHECK: plan.return %[[L]]
  plan.return %l : tensor<?x32xf32>
}
