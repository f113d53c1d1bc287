// RUN: air-opt %s --split-input-file --verify-diagnostics --split-steps="part-bytes=1500" | FileCheck %s
// RUN: air-opt %s --split-input-file --verify-diagnostics --split-steps | FileCheck %s --check-prefix=WHOLE

// g and u have 64 rows of 8 F32. A row of both takes 64 bytes, so the step
// reads 4096 bytes of weights, which is 3 parts of about 1365 bytes. Cuts after
// 21 and 42 rows would be best, but no tile is cut:
//   m1    has 4 tiles of 16 rows; the cuts are after 1 and after 3 tiles
//   m9+   has 2 tiles of 32 rows; both cuts are after 1 tile, so the second cut
//         is left out in both programs
// The parts take 16 and 48 rows (1024 and 3072 bytes) in m1, and 32 and 32 rows
// in m9+. The norm before the matmul is in the first part, and the norm after
// it is in the second part.

// CHECK-LABEL: plan.program @m1
// CHECK-NEXT: plan.step ffn_in layer 0 "layer.0.ffn_in" {
// CHECK-NEXT: plan.dispatch "norm"
// CHECK-NEXT: plan.dispatch "glu" {{.*}} (<read buffer @x>, <read tensor @g>, <read tensor @u>, <write buffer @h>) tiles 4 tile_rows 16 part 0 to 1 weight_bytes 1024 flops_per_row 512 overlap
// CHECK-NEXT: {{^ *[}]$}}
// CHECK-NEXT: plan.step ffn_in layer 0 "layer.0.ffn_in.1" {
// CHECK-NEXT: plan.dispatch "glu" {{.*}} tiles 4 tile_rows 16 part 1 to 4 weight_bytes 3072 flops_per_row 1536{{$}}
// CHECK-NEXT: plan.dispatch "norm"
// CHECK-NEXT: {{^ *[}]$}}
// A step of at most part-bytes stays as it is.
// CHECK-NEXT: plan.step attn_out layer 0 "layer.0.attn_out" {
// CHECK-NEXT: plan.dispatch "small" {{.*}} tiles 2 tile_rows 16 weight_bytes 1024 flops_per_row 512{{$}}
// CHECK-LABEL: plan.program @"m9+"
// CHECK: plan.step ffn_in layer 0 "layer.0.ffn_in" {
// CHECK: plan.dispatch "glu_m9" {{.*}} tiles 2 per 128 tile_rows 32 part 0 to 1 weight_bytes 2048 flops_per_row 1024 overlap
// CHECK: plan.step ffn_in layer 0 "layer.0.ffn_in.1" {
// CHECK-NEXT: plan.dispatch "glu_m9" {{.*}} part 1 to 2 weight_bytes 2048 flops_per_row 1024{{$}}
// CHECK-NEXT: plan.dispatch "norm"
// CHECK: plan.step attn_out layer 0 "layer.0.attn_out" {

// WHOLE: plan.step ffn_in
// WHOLE-NEXT: plan.dispatch "norm"
// WHOLE-NEXT: plan.dispatch "glu" {{.*}} tiles 4 tile_rows 16 weight_bytes 4096
// WHOLE-NEXT: plan.dispatch "norm"
module {
  plan.tensor @n vector [#llm.weight<"n", F32, 8>] as F32 rows 1 x 8 bytes 32
  plan.tensor @g copy [#llm.weight<"g", F32, 64x8>] as F32 x16 64 x 8 bytes 2048
  plan.tensor @u copy [#llm.weight<"u", F32, 64x8>] as F32 x16 64 x 8 bytes 2048
  plan.tensor @o copy [#llm.weight<"o", F32, 32x8>] as F32 x16 32 x 8 bytes 1024
  plan.buffer @x row 8
  plan.buffer @h row 64
  plan.program @m1 tokens 1 to 1 {
    plan.step ffn_in layer 0 "layer.0.ffn_in" {
      plan.dispatch "norm" {op = "rms_norm", k = 8 : i64} (<read buffer @x>, <read tensor @n>, <write buffer @x>) per 1 weight_bytes 32
      plan.dispatch "glu" {op = "glu_matmul", n = 64 : i64, k = 8 : i64} (<read buffer @x>, <read tensor @g>, <read tensor @u>, <write buffer @h>) tiles 4 tile_rows 16 weight_bytes 4096 flops_per_row 2048
      plan.dispatch "norm" {op = "rms_norm", k = 8 : i64} (<read buffer @x>, <read tensor @n>, <write buffer @x>) per 1 weight_bytes 32
    }
    plan.step attn_out layer 0 "layer.0.attn_out" {
      plan.dispatch "small" {op = "matmul", n = 32 : i64, k = 8 : i64, y_stride = 32 : i64} (<read buffer @x>, <read tensor @o>, <write buffer @h>) tiles 2 tile_rows 16 weight_bytes 1024 flops_per_row 512
    }
  }
  plan.program @"m9+" tokens 2 to 16 {
    plan.step ffn_in layer 0 "layer.0.ffn_in" {
      plan.dispatch "norm" {op = "rms_norm", k = 8 : i64} (<read buffer @x>, <read tensor @n>, <write buffer @x>) per 1 weight_bytes 32
      plan.dispatch "glu_m9" {op = "glu_matmul", m_class = "large", n = 64 : i64, k = 8 : i64} (<read buffer @x>, <read tensor @g>, <read tensor @u>, <write buffer @h>) tiles 2 per 128 tile_rows 32 weight_bytes 4096 flops_per_row 2048
      plan.dispatch "norm" {op = "rms_norm", k = 8 : i64} (<read buffer @x>, <read tensor @n>, <write buffer @x>) per 1 weight_bytes 32
    }
    plan.step attn_out layer 0 "layer.0.attn_out" {
      plan.dispatch "small" {op = "matmul", n = 32 : i64, k = 8 : i64, y_stride = 32 : i64} (<read buffer @x>, <read tensor @o>, <write buffer @h>) tiles 2 tile_rows 16 weight_bytes 1024 flops_per_row 512
    }
  }
}

// -----

// q and k read 2048 and 1024 bytes. The best cuts are after 1024 bytes, within
// q, and after 2048 bytes, between q and k. The dispatch that packs x for k is
// in the same step as k.

// CHECK-LABEL: plan.program @two
// CHECK-NEXT: plan.step attn_in layer 0 "a" {
// CHECK-NEXT: plan.dispatch "q" {{.*}} part 0 to 2 {{.*}} overlap
// CHECK-NEXT: {{^ *[}]$}}
// CHECK-NEXT: plan.step attn_in layer 0 "a.1" {
// CHECK-NEXT: plan.dispatch "q" {{.*}} part 2 to 4 {{.*}} overlap
// CHECK-NEXT: {{^ *[}]$}}
// CHECK-NEXT: plan.step attn_in layer 0 "a.2" {
// CHECK-NEXT: plan.dispatch "pack"
// CHECK-NEXT: plan.dispatch "k" {{.*}} tiles 2 tile_rows 16 weight_bytes 1024{{$}}
// CHECK-NEXT: {{^ *[}]$}}
module {
  plan.tensor @q copy [#llm.weight<"q", F32, 64x8>] as F32 x16 64 x 8 bytes 2048
  plan.tensor @k copy [#llm.weight<"k", F32, 32x8>] as F32 x16 32 x 8 bytes 1024
  plan.buffer @x row 8
  plan.buffer @xp row 17
  plan.buffer @y row 96
  plan.program @two tokens 1 to 16 {
    plan.step attn_in layer 0 "a" {
      plan.dispatch "q" {op = "matmul", n = 64 : i64, k = 8 : i64, y_stride = 96 : i64} (<read buffer @x>, <read tensor @q>, <write buffer @y>) tiles 4 tile_rows 16 weight_bytes 2048 overlap
      plan.dispatch "pack" {op = "pack_activations", activation = "i8", k = 8 : i64} (<read buffer @x>, <write buffer @xp>)
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 8 : i64, y_offset = 64 : i64, y_stride = 96 : i64} (<read buffer @xp>, <read tensor @k>, <write buffer @y>) tiles 2 tile_rows 16 weight_bytes 1024
    }
  }
}

// -----

// gate and up are one matrix of 16 columns, so a row of it takes 64 bytes. The
// cuts and the weights of the parts are those of two matrices.

// CHECK-LABEL: plan.program @joined
// CHECK: plan.dispatch "glu" {{.*}} (<read buffer @x>, <read tensor @"g+u">, <write buffer @h>) tiles 4 tile_rows 16 part 0 to 1 weight_bytes 1024 flops_per_row 512 overlap
// CHECK: plan.dispatch "glu" {{.*}} tiles 4 tile_rows 16 part 1 to 3 weight_bytes 2048 flops_per_row 1024 overlap
// CHECK: plan.dispatch "glu" {{.*}} tiles 4 tile_rows 16 part 3 to 4 weight_bytes 1024 flops_per_row 512{{$}}
module {
  plan.tensor @"g+u" join [#llm.weight<"g", F32, 64x8>, #llm.weight<"u", F32, 64x8>] as F32 x16 64 x 16 bytes 4096
  plan.buffer @x row 8
  plan.buffer @h row 64
  plan.program @joined tokens 1 to 16 {
    plan.step ffn_in layer 0 "layer.0.ffn_in" {
      plan.dispatch "glu" {op = "glu_matmul", is_joined = true, n = 64 : i64, k = 8 : i64} (<read buffer @x>, <read tensor @"g+u">, <write buffer @h>) tiles 4 tile_rows 16 weight_bytes 4096 flops_per_row 2048
    }
  }
}

// -----

// expected-error @+1 {{step 'a' does not multiply by the same matrices in all programs}}
module {
  plan.tensor @q copy [#llm.weight<"q", F32, 64x8>] as F32 x16 64 x 8 bytes 2048
  plan.buffer @x row 8
  plan.buffer @y row 96
  plan.program @m1 tokens 1 to 1 {
    plan.step attn_in layer 0 "a" {
      plan.dispatch "q" {op = "matmul", n = 64 : i64, k = 8 : i64, y_stride = 96 : i64} (<read buffer @x>, <read tensor @q>, <write buffer @y>) tiles 4 tile_rows 16 weight_bytes 20480000
    }
  }
  plan.program @m2 tokens 2 to 16 {
    plan.step attn_in layer 0 "a" {
      plan.dispatch "q" {op = "matmul", n = 64 : i64, k = 8 : i64, y_stride = 96 : i64} (<read buffer @x>, <read tensor @q>, <write buffer @y>)
    }
  }
}

// -----

// expected-error @+1 {{program 'm2' has 0 steps, but the first program has 1}}
module {
  plan.buffer @x row 8
  plan.program @m1 tokens 1 to 1 {
    plan.step add "a" {
    }
  }
  plan.program @m2 tokens 2 to 16 {
  }
}
