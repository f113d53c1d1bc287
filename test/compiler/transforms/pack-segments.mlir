// RUN: air-opt %s --split-input-file --pack-segments | FileCheck %s

// A segment holds its tensors in the order in which dispatches bind them, but
// vectors before matrices, each at a multiple of 64 bytes:
//   first   has n (40 bytes), a vector, at 0 and w (1280 bytes) at 64, and ends
//           at 1344
//   second  has v (16 bytes) at 0; w, which its step binds too, is in first
// The segment of the kernels follows. The executable lists each kernel once,
// sorted by name. A step of kind embed only gathers rows, here of t and of h. t
// is in a table at the end, and h in the segment of the head, which reads all
// of it.

// CHECK-DAG: plan.tensor @n {{.*}} bytes 40 in @first at 0
// CHECK-DAG: plan.tensor @w {{.*}} bytes 1280 in @first at 64
// CHECK-DAG: plan.tensor @v {{.*}} bytes 16 in @second at 0
// CHECK-DAG: plan.tensor @t {{.*}} bytes 640 in @lookup at 0
// CHECK-DAG: plan.tensor @h {{.*}} bytes 640 in @third at 0
// CHECK: plan.segment @first weights codec none bytes 1344
// CHECK-NEXT: plan.segment @second weights codec none bytes 16
// CHECK-NEXT: plan.segment @third weights codec none bytes 640
// CHECK-NEXT: plan.segment @kernels kernels codec none bytes 0
// CHECK-NEXT: plan.executable @cpu abi 2 entries ["embed", "matmul", "norm"] in @kernels
// CHECK-NEXT: plan.segment @lookup table codec none bytes 640
// CHECK-NEXT: plan.program @m1
module {
  plan.tensor @v vector [#llm.weight<"v", F32, 4>] as F32 rows 1 x 4 bytes 16
  plan.tensor @w copy [#llm.weight<"w", F32, 20x10>] as F32 x16 20 x 10 bytes 1280
  plan.tensor @n vector [#llm.weight<"n", F32, 10>] as F32 rows 1 x 10 bytes 40
  plan.tensor @t copy [#llm.weight<"t", F32, 16x10>] as F32 rows 16 x 10 bytes 640
  plan.tensor @h copy [#llm.weight<"h", F32, 16x10>] as F32 rows 16 x 10 bytes 640
  plan.buffer @x row 10
  plan.buffer @y row 20
  plan.program @m1 tokens 1 to 16 {
    plan.step embed "lookup" {
      plan.dispatch "embed" {op = "embed_rows"} (<read tensor @h>, <write buffer @x>)
      plan.dispatch "embed" {op = "embed_rows"} (<read tensor @t>, <write buffer @x>)
    }
    plan.step positions "none" {
      plan.dispatch "norm" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @y>)
    }
    plan.step attn_in "first" {
      plan.dispatch "matmul" {op = "matmul"} (<read buffer @x>, <read tensor @w>, <write buffer @y>)
      plan.dispatch "norm" {op = "rms_norm"} (<read buffer @x>, <read tensor @n>, <write buffer @x>)
    }
    plan.step head "second" {
      plan.dispatch "embed" {op = "embed_rows"} (<read tensor @w>, <write buffer @x>)
      plan.dispatch "norm" {op = "rms_norm"} (<read buffer @x>, <read tensor @v>, <write buffer @x>)
    }
    plan.step head "third" {
      plan.dispatch "matmul" {op = "matmul"} (<read buffer @x>, <read tensor @h>, <write buffer @y>)
    }
  }
}

// -----

// The matrices of a glu_matmul take 8 MiB and 64 bytes each. The second one
// begins at the first multiple of the chunk size, 256 KiB, after the end of the
// first one. That is at 8.25 MiB.

// CHECK-DAG: plan.tensor @gate {{.*}} bytes 8388672 in @glu at 0
// CHECK-DAG: plan.tensor @up {{.*}} bytes 8388672 in @glu at 8650752
// CHECK: plan.segment @glu weights codec none bytes 17039424
module {
  plan.tensor @gate copy [#llm.weight<"gate", F32, 16x131073>] as F32 rows 16 x 131073 bytes 8388672
  plan.tensor @up copy [#llm.weight<"up", F32, 16x131073>] as F32 rows 16 x 131073 bytes 8388672
  plan.buffer @x row 131073
  plan.buffer @h row 16
  plan.program @m1 tokens 1 to 16 {
    plan.step ffn_in "glu" {
      plan.dispatch "glu" {op = "glu_matmul"} (<read buffer @x>, <read tensor @gate>, <read tensor @up>, <write buffer @h>)
    }
  }
}
