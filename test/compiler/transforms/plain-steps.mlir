// RUN: air-opt %s --canonicalize --fuse-steps --verify-steps --select-kernels="target=x86-64-v3 max-tokens=16 max-outputs=4" --plan-memory --verify-memory --pack-segments --schedule-reads --compile-kernels --place-weights --estimate-cost --verify-plan | FileCheck %s

// This graph goes through every pass, although few patterns match it. The FFN
// has a bias, which the fused kernel cannot add. Three matmuls read one norm:
// gate, up, and one (%w) whose result goes directly into the residual stream.
// (In other models, only the outputs of attention and of the FFN go there.)
// RoPE is partial. The head consists of two matmuls.

// CHECK: plan.limits tokens 16 outputs 4 arena
// CHECK-LABEL: plan.program @m1 tokens 1 to 1
// CHECK: plan.step positions
// CHECK: plan.step embed
// CHECK: plan.step attn_in layer 0
// CHECK: plan.step attn layer 0
// CHECK: plan.step attn_out layer 0
// CHECK: plan.step norm layer 0
// CHECK: plan.step matmul layer 0
// CHECK: op = "matmul"{{.*}} <read tensor @gb>
// CHECK: plan.step matmul layer 0
// CHECK: plan.step glu layer 0
// CHECK: op = "silu_mul"
// CHECK: plan.step ffn_out layer 0
// CHECK: plan.step matmul layer 0
// CHECK: plan.step add layer 0
// CHECK: op = "add"{{.*}} <read_write buffer @x>
// CHECK: plan.step norm "norm"
// CHECK: op = "rms_norm", rows_from = "outputs"
// CHECK: plan.step matmul
// CHECK: op = "matmul", rows_from = "outputs"{{.*}} <write buffer @{{product_[0-9]+}}>
// CHECK: plan.step matmul
// CHECK: op = "matmul", rows_from = "outputs"{{.*}} <write buffer @logits>
// CHECK-LABEL: plan.program @"m2-8" tokens 2 to 8
// CHECK-LABEL: plan.program @"m9+" tokens 9 to 16
// CHECK: plan.read @positions before 0
// CHECK: plan.prediction "decode"
module {
  llm.model @plain <name = "plain", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1> {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = llm.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %q = llm.linear %x0 <"q", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %k = llm.linear %x0 <"k", F16, 16x32> : tensor<?x32xf32> -> tensor<?x16xf32>
    %v = llm.linear %x0 <"v", F16, 16x32> : tensor<?x32xf32> -> tensor<?x16xf32>
    %qr = llm.rope %q <norm, dim = 8, base = 1.0e4> head_dim 16 : tensor<?x32xf32>
    %kr = llm.rope %k <norm, dim = 8, base = 1.0e4> head_dim 16 : tensor<?x16xf32>
    %heads = llm.attention %qr, %kr, %v layer 0 heads 2 kv_heads 1 head_dim 16 scale 0.25 : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32> -> tensor<?x32xf32>
    %o = llm.linear %heads <"o", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %x1 = llm.add %x0, %o : tensor<?x32xf32>
    %n = llm.rms_norm %x1 <"n", F32, 32> epsilon 0.5 : tensor<?x32xf32>
    %g = llm.linear %n <"g", F16, 48x32> bias <"gb", F32, 48> : tensor<?x32xf32> -> tensor<?x48xf32>
    %u = llm.linear %n <"u", F16, 48x32> : tensor<?x32xf32> -> tensor<?x48xf32>
    %s = llm.silu %g : tensor<?x48xf32>
    %h = llm.mul %s, %u : tensor<?x48xf32>
    %d = llm.linear %h <"d", F32, 32x48> : tensor<?x48xf32> -> tensor<?x32xf32>
    %x2 = llm.add %x1, %d : tensor<?x32xf32>
    %w = llm.linear %n <"w", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %x3 = llm.add %x2, %w : tensor<?x32xf32>
    %r = llm.outputs %x3 : tensor<?x32xf32>
    %f = llm.rms_norm %r <"f", F32, 32> epsilon 0.5 : tensor<?x32xf32>
    %y = llm.linear %f <"y", F16, 16x32> : tensor<?x32xf32> -> tensor<?x16xf32>
    %logits = llm.linear %y <"z", F16, 64x16> : tensor<?x16xf32> -> tensor<?x64xf32>
    llm.return %logits : tensor<?x64xf32>
  }
}
