// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3" | FileCheck %s

// When a matrix has a scale, its matmul takes one scale per row of the matrix.
// If matrices are joined, so are their scales, with 1 for each row of a matrix
// without a scale. The magnitude of RoPE scaling multiplies cosines and sines.

// CHECK-DAG: plan.tensor @[[$QKV:"q\+k\+v"]] concat
// CHECK-DAG: plan.tensor @[[$QKVS:"q.scale\+k\+v"]] row_scales [#llm.weight<"q", NVFP4, 64x64, scale "q.scale">, {{.*}}] as F32 rows 1 x 192 bytes 768
// CHECK-DAG: plan.tensor @g.scale row_scales {{.*}} as F32 rows 1 x 128 bytes 512
// CHECK-DAG: plan.tensor @[[$US:u_[0-9]+]] row_scales [#llm.weight<"u", NVFP4, 128x64>] as F32 rows 1 x 128 bytes 512
// CHECK-DAG: plan.tensor @d.scale row_scales {{.*}} as F32 rows 1 x 64 bytes 256
// CHECK-DAG: plan.tensor @inverse_frequencies inverse_frequencies [] rope <norm, dim = 64, base = 1.000000e+04, magnitude = 1.250000e+00, yarn = <

// CHECK-LABEL: plan.program @m1 tokens 1 to 1
// CHECK: {op = "rope_angles", rope_dim = 64 : i64, scale = 1.250000e+00 : f32}
// CHECK: plan.step attn_in layer 0
// CHECK: has_row_scales = true{{.*}} op = "matmul"{{.*}} <read tensor @[[$QKV]]>, <read tensor @[[$QKVS]]>, <write buffer @qkv>)
// CHECK: plan.step attn_out layer 0
// CHECK-NOT: has_row_scales
// CHECK: plan.step ffn_in layer 0
// CHECK: has_row_scales = true{{.*}} op = "glu_matmul"{{.*}} <read tensor @g>, <read tensor @u>, <read tensor @g.scale>, <read tensor @[[$US]]>, <write buffer @h>)
// CHECK: plan.step ffn_out layer 0
// CHECK: has_row_scales = true{{.*}} op = "matmul"{{.*}} <read tensor @d>, <read tensor @d.scale>, <read_write buffer @x>)
module {
  plan.model <name = "scales", architecture = "llama", vocabulary = 96, width = 64, layers = 1, heads = 1, kv_heads = 1, head_dim = 64, ffn_width = 128, trained_context = 64, parameters = 1>
  plan.graph @scales {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 96x64> : tensor<?x64xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 1 kv_heads 1 head_dim 64 norm <"n", F32, 64> epsilon 0.5 q <"q", NVFP4, 64x64, scale "q.scale"> k <"k", NVFP4, 64x64> v <"v", NVFP4, 64x64> rope <norm, dim = 64, base = 1.0e4, magnitude = 1.25, yarn = <factor = 4.0, original_context = 16.0, beta_fast = 32.0, beta_slow = 1.0>> : tensor<?x64xf32> -> tensor<?x192xf32>
    %heads = plan.attn %qkv layer 0 cache 0 heads 1 kv_heads 1 head_dim 64 scale 0.125 : tensor<?x192xf32> -> tensor<?x64xf32>
    %x1 = plan.attn_out %heads into %x0 layer 0 <"o", NVFP4, 64x64> : tensor<?x64xf32> -> tensor<?x64xf32>
    %h = plan.ffn_in %x1 layer 0 norm <"m", F32, 64> epsilon 0.5 gate <"g", NVFP4, 128x64, scale "g.scale"> up <"u", NVFP4, 128x64> : tensor<?x64xf32> -> tensor<?x128xf32>
    %x2 = plan.ffn_out %h into %x1 layer 0 <"d", NVFP4, 64x128, scale "d.scale"> : tensor<?x128xf32> -> tensor<?x64xf32>
    %logits = plan.head %x2 norm <"f", F32, 64> epsilon 0.5 <"head", F16, 96x64> : tensor<?x64xf32> -> tensor<?x96xf32>
    plan.return %logits : tensor<?x96xf32>
  }
}
