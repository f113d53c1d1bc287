// RUN: air-opt %s --canonicalize --fuse-steps --verify-steps --select-kernels="target=x86-64-v3 max-tokens=16 max-outputs=4" --plan-memory --verify-memory --pack-segments --schedule-reads --compile-kernels --place-weights --estimate-cost --verify-plan | FileCheck %s

// A model without attention has no caches, and its plan needs no memory for
// keys and values.

// CHECK: plan.kv F16 page_tokens 64 caches 0
// CHECK-LABEL: plan.program @m1 tokens 1 to 1
// CHECK: plan.step embed
// CHECK-NOT: plan.step attn
// CHECK: plan.step ffn_in layer 0
// CHECK: plan.step ffn_out layer 0
// CHECK: plan.step head
// CHECK: plan.budget_item "kv" ram bytes 0
module {
  llm.model @perceptron <name = "perceptron", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1> {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = llm.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %n = llm.rms_norm %x0 <"n", F32, 32> epsilon 0.5 : tensor<?x32xf32>
    %g = llm.linear %n <"g", F16, 48x32> : tensor<?x32xf32> -> tensor<?x48xf32>
    %u = llm.linear %n <"u", F16, 48x32> : tensor<?x32xf32> -> tensor<?x48xf32>
    %s = llm.silu %g : tensor<?x48xf32>
    %h = llm.mul %s, %u : tensor<?x48xf32>
    %d = llm.linear %h <"d", F32, 32x48> : tensor<?x48xf32> -> tensor<?x32xf32>
    %x1 = llm.add %x0, %d : tensor<?x32xf32>
    %r = llm.outputs %x1 : tensor<?x32xf32>
    %f = llm.rms_norm %r <"f", F32, 32> epsilon 0.5 : tensor<?x32xf32>
    %logits = llm.linear %f <"y", F16, 64x32> : tensor<?x32xf32> -> tensor<?x64xf32>
    llm.return %logits : tensor<?x64xf32>
  }
}
