// RUN: air-opt %s --pack-segments | FileCheck %s

// A segment holds its tensors in the order in which dispatches bind them, each
// at a multiple of 64 bytes:
//   first   has n (40 bytes) at 0 and w (1280 bytes) at 64, and ends at 1344
//   second  has v (16 bytes) at 0, but not w: step "second" binds w, too, but
//           step "first" has bound it before
// The segment of the kernels comes last. The executable lists each kernel once,
// sorted by name.

// CHECK-DAG: plan.tensor @n {{.*}} bytes 40 in @first at 0
// CHECK-DAG: plan.tensor @w {{.*}} bytes 1280 in @first at 64
// CHECK-DAG: plan.tensor @v {{.*}} bytes 16 in @second at 0
// CHECK: plan.segment @first weights codec none tier ram executor cpu bytes 1344
// CHECK-NEXT: plan.segment @second weights codec none tier ram executor cpu bytes 16
// CHECK-NEXT: plan.segment @kernels kernels codec none tier ram executor cpu bytes 0
// CHECK-NEXT: plan.executable @cpu abi 1 entries ["embed", "matmul", "norm"] in @kernels
// CHECK-NEXT: plan.program @m1
module {
  plan.tensor @v vector [#llm.weight<"v", F32, 4>] as F32 rows 1 x 4 bytes 16
  plan.tensor @w copy [#llm.weight<"w", F32, 20x10>] as F32 x16 20 x 10 bytes 1280
  plan.tensor @n vector [#llm.weight<"n", F32, 10>] as F32 rows 1 x 10 bytes 40
  plan.buffer @x row 10
  plan.buffer @y row 20
  plan.program @m1 tokens 1 to 16 {
    plan.step positions "none" {
      plan.dispatch "norm" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @y>)
    }
    plan.step attn_in "first" {
      plan.dispatch "norm" {op = "rms_norm"} (<read buffer @x>, <read tensor @n>, <write buffer @x>)
      plan.dispatch "matmul" {op = "matmul"} (<read buffer @x>, <read tensor @w>, <write buffer @y>)
    }
    plan.step head "second" {
      plan.dispatch "embed" {op = "embed_rows"} (<read tensor @w>, <write buffer @x>)
      plan.dispatch "norm" {op = "rms_norm"} (<read buffer @x>, <read tensor @v>, <write buffer @x>)
    }
  }
}
