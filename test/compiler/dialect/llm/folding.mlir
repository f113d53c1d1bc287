// RUN: air-opt %s --canonicalize --split-input-file | FileCheck %s

// A scale of 1 is removed, and a scale of 2 stays.

// CHECK-LABEL: llm.model @scale_by_one
llm.model @scale_by_one <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = llm.embed
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // CHECK-NEXT: %[[N:.*]] = llm.silu %[[X]]
  %one = llm.scale %x by 1.0 : tensor<?x8xf32>
  %n = llm.silu %one : tensor<?x8xf32>
  // CHECK-NEXT: %[[TWO:.*]] = llm.scale %[[N]] by 2.0
  %two = llm.scale %n by 2.0 : tensor<?x8xf32>
  // CHECK-NEXT: llm.return %[[TWO]]
  llm.return %two : tensor<?x8xf32>
}

// -----

// A scale right after the embedding becomes part of the embedding.

// CHECK-LABEL: llm.model @scale_into_embed
llm.model @scale_into_embed <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = llm.embed %{{.*}} <"t", F32, 8x8> scale 3.000000e+00
  // CHECK-NEXT: llm.return %[[X]]
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %y = llm.scale %x by 3.0 : tensor<?x8xf32>
  llm.return %y : tensor<?x8xf32>
}

// -----

// Two scales in a row are not merged, because rounding once differs from
// rounding twice.

// CHECK-LABEL: llm.model @scale_twice
llm.model @scale_twice <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = llm.embed %{{.*}} <"t", F32, 8x8> scale 3.000000e+00
  // CHECK-NEXT: %[[Y:.*]] = llm.scale %[[X]] by 5.0
  // CHECK-NEXT: llm.return %[[Y]]
  %x = llm.embed %ids <"t", F32, 8x8> scale 3.0 : tensor<?x8xf32>
  %y = llm.scale %x by 5.0 : tensor<?x8xf32>
  llm.return %y : tensor<?x8xf32>
}

// -----

// llm.outputs, which selects the requested rows, moves before ops that work row
// by row on one operand, but not before a sum.

// CHECK-LABEL: llm.model @outputs_first
llm.model @outputs_first <name = "", architecture = "llama", vocabulary = 16, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[X:.*]] = llm.embed
  %x = llm.embed %ids <"t", F32, 16x8> : tensor<?x8xf32>
  // CHECK-NEXT: %[[SUM:.*]] = llm.add %[[X]], %[[X]]
  %sum = llm.add %x, %x : tensor<?x8xf32>
  // CHECK-NEXT: %[[O:.*]] = llm.outputs %[[SUM]]
  // CHECK-NEXT: %[[N:.*]] = llm.rms_norm %[[O]]
  // CHECK-NEXT: %[[L:.*]] = llm.linear %[[N]]
  // CHECK-NEXT: llm.return %[[L]]
  %n = llm.rms_norm %sum <"n", F32, 8> epsilon 1.0e-5 : tensor<?x8xf32>
  %l = llm.linear %n <"o", F32, 16x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  %o = llm.outputs %l : tensor<?x16xf32>
  llm.return %o : tensor<?x16xf32>
}

// -----

// A norm that other ops also read is computed for all rows anyway, so
// llm.outputs does not move before it.

// CHECK-LABEL: llm.model @outputs_of_shared
llm.model @outputs_of_shared <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // CHECK: %[[N:.*]] = llm.rms_norm
  // CHECK-NEXT: %[[A:.*]] = llm.attention %[[N]]
  // CHECK-NEXT: %[[O:.*]] = llm.outputs %[[N]]
  // CHECK-NEXT: llm.return %[[O]]
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %n = llm.rms_norm %x <"n", F32, 8> epsilon 1.0e-5 : tensor<?x8xf32>
  %a = llm.attention %n, %n, %n layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %o = llm.outputs %n : tensor<?x8xf32>
  llm.return %o : tensor<?x8xf32>
}
