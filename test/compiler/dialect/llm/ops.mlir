// RUN: air-opt %s | FileCheck %s
// RUN: air-opt %s | air-opt | FileCheck %s
// RUN: air-opt %s --mlir-print-op-generic | air-opt | FileCheck %s

// Every op, with every optional part, is printed and parsed again.

// CHECK-LABEL: llm.model @model <name = "tiny \22quoted\22", architecture = "llama", vocabulary = 32, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1000>
llm.model @model <name = "tiny \22quoted\22", architecture = "llama", vocabulary = 32, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1000> {
// CHECK: ^bb0(%[[IDS:.*]]: tensor<?xi32>):
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = llm.embed %[[IDS]] <"token_embd.weight", F32, 32x8> : tensor<?x8xf32>
  %x = llm.embed %ids <"token_embd.weight", F32, 32x8> : tensor<?x8xf32>
  // CHECK: llm.embed %[[IDS]] <"token_embd.weight", F32, 32x8> scale 2.500000e+00 : tensor<?x8xf32>
  %scaled = llm.embed %ids <"token_embd.weight", F32, 32x8> scale 2.5 : tensor<?x8xf32>
  // CHECK: %[[N:.*]] = llm.rms_norm %[[X]] <"blk.0.attn_norm.weight", F32, 8> epsilon 9.99999974E-6 : tensor<?x8xf32>
  %n = llm.rms_norm %x <"blk.0.attn_norm.weight", F32, 8> epsilon 1.0e-5 : tensor<?x8xf32>
  // CHECK: %[[Q:.*]] = llm.linear %[[N]] <"blk.0.attn_q.weight", F16, 8x8> bias <"blk.0.attn_q.bias", F32, 8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %q = llm.linear %n <"blk.0.attn_q.weight", F16, 8x8> bias <"blk.0.attn_q.bias", F32, 8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[K:.*]] = llm.linear %[[N]] <"blk.0.attn_k.weight", F16, 4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
  %k = llm.linear %n <"blk.0.attn_k.weight", F16, 4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
  // CHECK: %[[QN:.*]] = llm.head_norm %[[Q]] <"blk.0.attn_q_norm.weight", F32, 4> epsilon 9.99999997E-7 : tensor<?x8xf32>
  %qn = llm.head_norm %q <"blk.0.attn_q_norm.weight", F32, 4> epsilon 1.0e-6 : tensor<?x8xf32>
  // CHECK: %[[QR:.*]] = llm.rope %[[QN]] <neox, dim = 4, base = 1.000000e+06, linear_factor = 2.000000e+00, factors = <"rope_freqs.weight", F32, 2>> head_dim 4 : tensor<?x8xf32>
  %qr = llm.rope %qn <neox, dim = 4, base = 1.0e6, linear_factor = 2.0, factors = <"rope_freqs.weight", F32, 2>> head_dim 4 : tensor<?x8xf32>
  // CHECK: llm.rope %[[QN]] <norm, dim = 4, base = 1.000000e+04, magnitude = 1.250000e+00, yarn = <factor = 4.000000e+00, original_context = 6.400000e+01, beta_fast = 3.200000e+01, beta_slow = 1.000000e+00>> head_dim 4
  %yarn = llm.rope %qn <norm, dim = 4, base = 1.0e4, magnitude = 1.25, yarn = <factor = 4.0, original_context = 64.0, beta_fast = 32.0, beta_slow = 1.0>> head_dim 4 : tensor<?x8xf32>
  // CHECK: llm.rope %[[QN]] <norm, dim = 4, base = 1.000000e+04, yarn = <factor = 4.000000e+00, original_context = 6.400000e+01, beta_fast = 3.200000e+01, beta_slow = 1.000000e+00, mix = 5.000000e-01>> head_dim 4
  %mixed = llm.rope %qn <norm, dim = 4, base = 1.0e4, yarn = <factor = 4.0, original_context = 64.0, beta_fast = 32.0, beta_slow = 1.0, mix = 0.5>> head_dim 4 : tensor<?x8xf32>
  // CHECK: llm.linear %[[N]] <"blk.0.attn_q.weight", F16, 8x8, scale "blk.0.\22attn_q\22.scale">
  %qs = llm.linear %n <"blk.0.attn_q.weight", F16, 8x8, scale "blk.0.\22attn_q\22.scale"> : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[KR:.*]] = llm.rope %[[K]] <norm, dim = 2, base = 1.000000e+04> head_dim 4 : tensor<?x4xf32>
  %kr = llm.rope %k <norm, dim = 2, base = 1.0e4> head_dim 4 : tensor<?x4xf32>
  // CHECK: %[[A:.*]] = llm.attention %[[QR]], %[[KR]], %[[K]] layer 0 heads 2 kv_heads 1 head_dim 4 scale 5.000000e-01 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  %a = llm.attention %qr, %kr, %k layer 0 heads 2 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  // CHECK: %[[S:.*]] = llm.silu %[[A]] : tensor<?x8xf32>
  %s = llm.silu %a : tensor<?x8xf32>
  // CHECK: %[[M:.*]] = llm.mul %[[S]], %[[X]] : tensor<?x8xf32>
  %m = llm.mul %s, %x : tensor<?x8xf32>
  // CHECK: %[[SUM:.*]] = llm.add %[[M]], %[[X]] : tensor<?x8xf32>
  %sum = llm.add %m, %x : tensor<?x8xf32>
  // CHECK: %[[SC:.*]] = llm.scale %[[SUM]] by 3.000000e+00 : tensor<?x8xf32>
  %sc = llm.scale %sum by 3.0 : tensor<?x8xf32>
  // CHECK: %[[O:.*]] = llm.outputs %[[SC]] : tensor<?x8xf32>
  %o = llm.outputs %sc : tensor<?x8xf32>
  // CHECK: %[[L:.*]] = llm.linear %[[O]] <"output.weight", F32, 32x8>
  %logits = llm.linear %o <"output.weight", F32, 32x8> : tensor<?x8xf32> -> tensor<?x32xf32>
  // CHECK: llm.return %[[L]] : tensor<?x32xf32>
  llm.return %logits : tensor<?x32xf32>
}
