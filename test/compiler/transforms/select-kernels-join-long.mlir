// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 pin=50" | FileCheck %s

// A row of a matrix may take 128 MiB at most. In layer 0, a row of gate takes
// 80 MiB, so one of gate and up together would be too long, and the two
// matrices remain. In layer 1, a row of both takes 128 MiB.

// CHECK-DAG: plan.tensor @g0 copy
// CHECK-DAG: plan.tensor @u0 copy
// CHECK-DAG: plan.tensor @"g1+u1" join

// CHECK-LABEL: plan.program @m1 tokens 1 to 1
// CHECK: plan.step ffn_in layer 0
// CHECK: <read tensor @g0>, <read tensor @u0>
// CHECK: plan.step ffn_in layer 1
// CHECK: {{_joined".*}} <read tensor @"g1+u1">
module {
  plan.model <name = "join", architecture = "llama", vocabulary = 64, width = 256, layers = 2, heads = 4, kv_heads = 1, head_dim = 64, ffn_width = 32, trained_context = 64, parameters = 1>
  plan.graph @join {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t0", F16, 64x41943040> : tensor<?x41943040xf32>
    %h0 = plan.ffn_in %x0 layer 0 gate <"g0", F16, 32x41943040> up <"u0", F16, 32x41943040> : tensor<?x41943040xf32> -> tensor<?x32xf32>
    %x1 = plan.embed %ids <"t1", F16, 64x33554432> : tensor<?x33554432xf32>
    %h1 = plan.ffn_in %x1 layer 1 gate <"g1", F16, 32x33554432> up <"u1", F16, 32x33554432> : tensor<?x33554432xf32> -> tensor<?x32xf32>
    plan.return %h1 : tensor<?x32xf32>
  }
}
