// RUN: air-opt %s --split-input-file --verify-diagnostics

// Each case breaks one rule, which its comment states.

// Tensors: how they are made.

// expected-error @+1 {{copy of 2 tensors; exactly 1 is needed}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>, #llm.weight<"b", F32, 8x8>] as F32 rows 16 x 8 bytes 512

// -----

// expected-error @+1 {{concat of 1 tensors; 2 or more are needed}}
plan.tensor @t concat [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256

// -----

// expected-error @+1 {{source 'b' has 4 columns, the tensor has 8}}
plan.tensor @t concat [#llm.weight<"a", F32, 8x8>, #llm.weight<"b", F32, 8x4>] as F32 rows 16 x 8 bytes 512

// -----

// expected-error @+1 {{source 'a' is of another dtype; nothing is converted}}
plan.tensor @t copy [#llm.weight<"a", F16, 8x8>] as F32 rows 8 x 8 bytes 256

// -----

// expected-error @+1 {{sources have 8 rows, the tensor has 9}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 9 x 8 bytes 288

// -----

// expected-error @+1 {{a vector is F32 in layout rows, of 1 row}}
plan.tensor @t vector [#llm.weight<"a", F16, 8>] as F16 rows 1 x 8 bytes 16

// -----

// expected-error @+1 {{source 'a' is a matrix of 1x8}}
plan.tensor @t vector [#llm.weight<"a", F32, 1x8>] as F32 rows 1 x 8 bytes 32

// -----

// expected-error @+1 {{sources have 12 elements, the tensor has 8}}
plan.tensor @t vector [#llm.weight<"a", F32, 8>, #llm.weight<"b", F32, 4>] as F32 rows 1 x 8 bytes 32

// -----

// expected-error @+1 {{inverse_frequencies needs `rope`}}
plan.tensor @t inverse_frequencies [] as F64 rows 1 x 2 bytes 16

// -----

// expected-error @+1 {{inverse frequencies are F64 in layout rows, 1 x 2, got 1 x 4}}
plan.tensor @t inverse_frequencies [] rope <norm, dim = 4, base = 1.0e4> as F64 rows 1 x 4 bytes 32

// -----

// expected-error @+1 {{inverse_frequencies take no sources, got 1}}
plan.tensor @t inverse_frequencies [#llm.weight<"a", F32, 2>] rope <norm, dim = 4, base = 1.0e4> as F64 rows 1 x 2 bytes 16

// -----

// expected-error @+1 {{row scales are F32 in layout rows, of 1 row}}
plan.tensor @t row_scales [#llm.weight<"a", F32, 8x4, scale "s">] as F32 rows 8 x 1 bytes 32

// -----

// expected-error @+1 {{source 'a' is no matrix}}
plan.tensor @t row_scales [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32

// -----

// expected-error @+1 {{sources have 8 rows, the tensor has 9 scales}}
plan.tensor @t row_scales [#llm.weight<"a", F32, 8x4, scale "s">] as F32 rows 1 x 9 bytes 36

// -----

// expected-error @+1 {{only inverse_frequencies are made from `rope`}}
plan.tensor @t vector [#llm.weight<"a", F32, 8>] rope <norm, dim = 4, base = 1.0e4> as F32 rows 1 x 8 bytes 32

// -----

// 16 rows of 8 float32 are one row block of x16; 9 rows take as much space.

// expected-error @+1 {{bytes is 288, the layout takes 512}}
plan.tensor @t copy [#llm.weight<"a", F32, 9x8>] as F32 x16 9 x 8 bytes 288

// -----

plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 // expected-error @+1 {{'x17' is no layout}}
  x17 8 x 8 bytes 256

// -----

// Tensors: where they lie.

// expected-error @+1 {{offset 32 is no multiple of 64}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256 in @s at 32
plan.segment @s weights codec none tier ram executor cpu bytes 512

// -----

// expected-error @+1 {{@s is no plan.segment}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256 in @s at 0

// -----

// expected-error @+1 {{bytes [64, +256) leave segment @s of 300 bytes}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256 in @s at 64
plan.segment @s weights codec none tier ram executor cpu bytes 300

// -----

// expected-error @+1 {{segment and offset are given together or not at all}}
"plan.tensor"() <{sym_name = "t", recipe = #plan.recipe<copy>, sources = [#llm.weight<"a", F32, 8x8>], dtype = #llm.dtype<F32>, layout = #plan.layout<rows>, rows = 8 : i64, columns = 8 : i64, bytes = 256 : i64, offset = 0 : i64}> : () -> ()

// -----

// Executables.

// expected-error @+1 {{entries must ascend: 'a' after 'b'}}
plan.executable @e abi 1 entries ["b", "a"]

// -----

// expected-error @+1 {{@s is no plan.segment}}
plan.executable @e abi 1 entries [] in @s

// -----

// Buffers.

// expected-error @+1 {{offset 4 is no multiple of 64}}
plan.buffer @b row 8 at 4 bytes 64

// -----

// expected-error @+1 {{offset and bytes are given together or not at all}}
"plan.buffer"() <{sym_name = "b", row_elements = 8 : i64, bytes = 64 : i64}> : () -> ()

// -----

// expected-error @+1 {{attribute 'row_elements' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
plan.buffer @b row 0

// -----

// The KV cache.

// expected-error @+1 {{dtype must be F16 or F32}}
plan.kv Q8_0 page_tokens 64 layers 1 kv_heads 1 head_dim 4 context 512 slots 1

// -----

// expected-error @+1 {{page_tokens is 32, kernels know 64}}
plan.kv F16 page_tokens 32 layers 1 kv_heads 1 head_dim 4 context 512 slots 1

// -----

// expected-error @+1 {{the cache's size does not fit in 63 bits}}
plan.kv F16 page_tokens 64 layers 1000000000 kv_heads 1000000000 head_dim 4 context 512 slots 1

// -----

// Limits.

// expected-error @+1 {{65 outputs of at most 64 tokens}}
plan.limits tokens 64 outputs 65

// -----

// Programs.

// expected-error @+1 {{tokens 2 to 1 is empty}}
plan.program @p tokens 2 to 1 {
}

// -----

plan.program @p tokens 1 to 1 {
  // expected-error @+1 {{stands in a plan.program, which holds plan.step}}
  plan.graph @g {
  ^bb0(%ids: tensor<?xi32>):
    %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
    plan.return %x : tensor<?x8xf32>
  }
}

// -----

// Dispatches: the spec.

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: 'op' is missing}}
    plan.dispatch "k" {k = 8} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: 'op' has no value that fits it}}
    plan.dispatch "k" {op = "normalise"} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: 'k' has no value that fits it}}
    plan.dispatch "k" {op = "rms_norm", k = "8"} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: 'k' has no value that fits it}}
    plan.dispatch "k" {op = "rms_norm", k = -8} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: 'dtype' has no value that fits it}}
    plan.dispatch "k" {op = "rms_norm", dtype = "Q9_9"} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: 'width' is no field of KernelSpec}}
    plan.dispatch "k" {op = "rms_norm", width = 8} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

// Dispatches: the bindings.

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{has 2 bindings, the kernel takes 3}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @w>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{weight is bound as #plan.binding<read buffer @x>, must be a tensor for read}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read buffer @x>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{y is bound as #plan.binding<write buffer @x>, must be a buffer for read_write}}
    plan.dispatch "k" {op = "add"} (<read buffer @x>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{@w is no plan.buffer}}
    plan.dispatch "k" {op = "add"} (<read buffer @x>, <read_write buffer @w>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{@x is no plan.tensor}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @x>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{tensor @w is bound for write; tensors are read only}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <write tensor @w>, <write buffer @x>)
  }
}

// -----

// Reads.

// expected-error @+1 {{@s is no plan.segment}}
plan.read @s before 0
