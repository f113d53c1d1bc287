// RUN: air-opt %s --split-input-file --canonicalize --fuse-steps | FileCheck %s

// This layer has every optional part: biases, QK-norm, and RoPE with factors.
// After fusion, no llm op is left over.

// CHECK: plan.model <name = "everything", architecture = "qwen3", vocabulary = 16, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
// CHECK-LABEL: plan.graph @everything {
llm.model @everything <name = "everything", architecture = "qwen3", vocabulary = 16, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: ^bb0(%[[IDS:.*]]: tensor<?xi32>):
  // CHECK-NEXT: %[[X:.*]] = plan.embed %[[IDS]] <"t", Q4_0, 16x32> scale 2.000000e+00 : tensor<?x32xf32>
  %e = llm.embed %ids <"t", Q4_0, 16x32> : tensor<?x32xf32>
  %x = llm.scale %e by 2.0 : tensor<?x32xf32>
  // CHECK-NEXT: %[[QKV:.*]] = plan.attn_in %[[X]] layer 0 cache 0 heads 2 kv_heads 1 head_dim 4
  // CHECK-SAME: norm <"n", F32, 32> epsilon 5.000000e-01
  // CHECK-SAME: q <"q", F16, 8x32> bias <"qb", F32, 8> k <"k", BF16, 4x32> bias <"kb", F32, 4> v <"v", Q8_0, 4x32> bias <"vb", F32, 4>
  // CHECK-SAME: q_norm <"qn", F32, 4> k_norm <"kn", F32, 4> epsilon 2.500000e-01
  // CHECK-SAME: rope <neox, dim = 4, base = 1.000000e+04, factors = <"rope_freqs.weight", F32, 2>> : tensor<?x32xf32> -> tensor<?x16xf32>
  %n = llm.rms_norm %x <"n", F32, 32> epsilon 0.5 : tensor<?x32xf32>
  %q0 = llm.linear %n <"q", F16, 8x32> bias <"qb", F32, 8> : tensor<?x32xf32> -> tensor<?x8xf32>
  %k0 = llm.linear %n <"k", BF16, 4x32> bias <"kb", F32, 4> : tensor<?x32xf32> -> tensor<?x4xf32>
  %v = llm.linear %n <"v", Q8_0, 4x32> bias <"vb", F32, 4> : tensor<?x32xf32> -> tensor<?x4xf32>
  %q1 = llm.head_norm %q0 <"qn", F32, 4> epsilon 0.25 : tensor<?x8xf32>
  %k1 = llm.head_norm %k0 <"kn", F32, 4> epsilon 0.25 : tensor<?x4xf32>
  %q = llm.rope %q1 <neox, dim = 4, base = 1.0e4, factors = <"rope_freqs.weight", F32, 2>> head_dim 4 : tensor<?x8xf32>
  %k = llm.rope %k1 <neox, dim = 4, base = 1.0e4, factors = <"rope_freqs.weight", F32, 2>> head_dim 4 : tensor<?x4xf32>
  // CHECK-NEXT: %[[A:.*]] = plan.attn %[[QKV]] layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 scale 5.000000e-01 : tensor<?x16xf32> -> tensor<?x8xf32>
  %a = llm.attention %q, %k, %v layer 0 heads 2 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[X1:.*]] = plan.attn_out %[[A]] into %[[X]] layer 0 <"o", F32, 32x8> bias <"ob", F32, 32> : tensor<?x8xf32> -> tensor<?x32xf32>
  %o = llm.linear %a <"o", F32, 32x8> bias <"ob", F32, 32> : tensor<?x8xf32> -> tensor<?x32xf32>
  %x1 = llm.add %x, %o : tensor<?x32xf32>
  // CHECK-NEXT: %[[H:.*]] = plan.ffn_in %[[X1]] layer 0 norm <"fn", F32, 32> epsilon 5.000000e-01 gate <"g", F32, 12x32> up <"u", F16, 12x32> : tensor<?x32xf32> -> tensor<?x12xf32>
  %fn = llm.rms_norm %x1 <"fn", F32, 32> epsilon 0.5 : tensor<?x32xf32>
  %gate = llm.linear %fn <"g", F32, 12x32> : tensor<?x32xf32> -> tensor<?x12xf32>
  %up = llm.linear %fn <"u", F16, 12x32> : tensor<?x32xf32> -> tensor<?x12xf32>
  %silu = llm.silu %gate : tensor<?x12xf32>
  // The operands of products and sums may be in either order.
  %gated = llm.mul %up, %silu : tensor<?x12xf32>
  // CHECK-NEXT: %[[X2:.*]] = plan.ffn_out %[[H]] into %[[X1]] layer 0 <"d", F32, 32x12> : tensor<?x12xf32> -> tensor<?x32xf32>
  %down = llm.linear %gated <"d", F32, 32x12> : tensor<?x12xf32> -> tensor<?x32xf32>
  %x2 = llm.add %down, %x1 : tensor<?x32xf32>
  // CHECK-NEXT: %[[L:.*]] = plan.head %[[X2]] norm <"on", F32, 32> epsilon 5.000000e-01 <"t", Q4_0, 16x32> : tensor<?x32xf32> -> tensor<?x16xf32>
  %on = llm.rms_norm %x2 <"on", F32, 32> epsilon 0.5 : tensor<?x32xf32>
  %logits = llm.linear %on <"t", Q4_0, 16x32> : tensor<?x32xf32> -> tensor<?x16xf32>
  // The importer may place llm.outputs last; canonicalisation moves it before
  // the norm.
  %asked = llm.outputs %logits : tensor<?x16xf32>
  // CHECK-NEXT: plan.return %[[L]] : tensor<?x16xf32>
  llm.return %asked : tensor<?x16xf32>
}

// -----

// The pass finds layers by their attention ops. The smallest possible layer has
// neither norms nor RoPE.

// CHECK-LABEL: plan.graph @bare_layers {
llm.model @bare_layers <name = "", architecture = "llama", vocabulary = 16, width = 8, layers = 2, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = plan.embed
  %x = llm.embed %ids <"t", F32, 16x8> : tensor<?x8xf32>
  // CHECK-NEXT: %[[QKV:.*]] = plan.attn_in %[[X]] layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %q = llm.linear %x <"q", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %k = llm.linear %x <"k", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %v = llm.linear %x <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[A:.*]] = plan.attn %[[QKV]] layer 0
  %a = llm.attention %q, %k, %v layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[X1:.*]] = plan.attn_out %[[A]] into %[[X]] layer 0
  %o = llm.linear %a <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %x1 = llm.add %x, %o : tensor<?x8xf32>
  // CHECK-NEXT: %[[QKV1:.*]] = plan.attn_in %[[X1]] layer 1
  %q1 = llm.linear %x1 <"q1", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %k1 = llm.linear %x1 <"k1", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %v1 = llm.linear %x1 <"v1", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[A1:.*]] = plan.attn %[[QKV1]] layer 1
  %a1 = llm.attention %q1, %k1, %v1 layer 1 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[X2:.*]] = plan.attn_out %[[A1]] into %[[X1]] layer 1
  %o1 = llm.linear %a1 <"o1", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %x2 = llm.add %x1, %o1 : tensor<?x8xf32>
  // CHECK-NEXT: %[[H:.*]] = plan.ffn_in %[[X2]] layer 1 gate
  %gate = llm.linear %x2 <"g", F32, 12x8> : tensor<?x8xf32> -> tensor<?x12xf32>
  %up = llm.linear %x2 <"u", F32, 12x8> : tensor<?x8xf32> -> tensor<?x12xf32>
  %silu = llm.silu %gate : tensor<?x12xf32>
  %gated = llm.mul %silu, %up : tensor<?x12xf32>
  // CHECK-NEXT: %[[X3:.*]] = plan.ffn_out %[[H]] into %[[X2]] layer 1
  %down = llm.linear %gated <"d", F32, 8x12> : tensor<?x12xf32> -> tensor<?x8xf32>
  %x3 = llm.add %x2, %down : tensor<?x8xf32>
  // CHECK-NEXT: plan.head %[[X3]]
  %asked = llm.outputs %x3 : tensor<?x8xf32>
  %on = llm.rms_norm %asked <"on", F32, 8> epsilon 0.5 : tensor<?x8xf32>
  %logits = llm.linear %on <"out", F32, 16x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  llm.return %logits : tensor<?x16xf32>
}

// -----

// Ops that match no pattern of a fused step become plain steps. Here these are
// - a norm that a sum reads in addition to q, k and v, and this sum,
// - a projection and its sum with a residual that is read again later,
// - a gate matrix with a bias, an up matrix with another input, and their gated
//   product, and
// - the norm and the output matrix, and another matrix between them.

// CHECK-LABEL: plan.graph @plain {
llm.model @plain <name = "", architecture = "llama", vocabulary = 16, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = plan.embed
  %x = llm.embed %ids <"t", F32, 16x8> : tensor<?x8xf32>
  // CHECK-NEXT: %[[N:.*]] = plan.norm %[[X]] <"n", F32, 8> epsilon 5.000000e-01 : tensor<?x8xf32>
  %n = llm.rms_norm %x <"n", F32, 8> epsilon 0.5 : tensor<?x8xf32>
  %q = llm.linear %n <"q", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %k = llm.linear %n <"k", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %v = llm.linear %n <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[QKV:.*]] = plan.attn_in %[[N]] layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q
  // CHECK-NEXT: %[[A:.*]] = plan.attn %[[QKV]]
  %a = llm.attention %q, %k, %v layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[S:.*]] = plan.add %[[N]] into %[[A]] layer 0 : tensor<?x8xf32>
  %s = llm.add %a, %n : tensor<?x8xf32>
  // CHECK-NEXT: %[[O:.*]] = plan.matmul %[[S]] layer 0 <"o", F32, 8x8>
  %o = llm.linear %s <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // %x is read again below, so the sum overwrites the projection instead.
  // CHECK-NEXT: %[[X1:.*]] = plan.add %[[X]] into %[[O]] layer 0 : tensor<?x8xf32>
  %x1 = llm.add %x, %o : tensor<?x8xf32>
  // CHECK-NEXT: %[[GATE:.*]] = plan.matmul %[[X1]] layer 0 <"g", F32, 12x8> bias <"gb", F32, 12>
  %gate = llm.linear %x1 <"g", F32, 12x8> bias <"gb", F32, 12> : tensor<?x8xf32> -> tensor<?x12xf32>
  // CHECK-NEXT: %[[UP:.*]] = plan.matmul %[[X]] layer 0 <"u", F32, 12x8>
  %up = llm.linear %x <"u", F32, 12x8> : tensor<?x8xf32> -> tensor<?x12xf32>
  %silu = llm.silu %gate : tensor<?x12xf32>
  // CHECK-NEXT: %[[H:.*]] = plan.glu %[[GATE]], %[[UP]] layer 0 : tensor<?x12xf32>
  %gated = llm.mul %silu, %up : tensor<?x12xf32>
  // CHECK-NEXT: %[[X2:.*]] = plan.ffn_out %[[H]] into %[[X1]] layer 0 <"d", F32, 8x12>
  %down = llm.linear %gated <"d", F32, 8x12> : tensor<?x12xf32> -> tensor<?x8xf32>
  %x2 = llm.add %down, %x1 : tensor<?x8xf32>
  // CHECK-NEXT: %[[ON:.*]] = plan.norm %[[X2]] <"on", F32, 8> epsilon 5.000000e-01 select : tensor<?x8xf32>
  %asked = llm.outputs %x2 : tensor<?x8xf32>
  %on = llm.rms_norm %asked <"on", F32, 8> epsilon 0.5 : tensor<?x8xf32>
  // CHECK-NEXT: %[[T:.*]] = plan.matmul %[[ON]] <"mix", F32, 8x8> rows <outputs>
  %mix = llm.linear %on <"mix", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: %[[L:.*]] = plan.matmul %[[T]] <"out", F32, 16x8> rows <outputs>
  %logits = llm.linear %mix <"out", F32, 16x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  // CHECK-NEXT: plan.return %[[L]]
  llm.return %logits : tensor<?x16xf32>
}
