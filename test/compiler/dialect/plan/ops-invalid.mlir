// RUN: air-opt %s --split-input-file --verify-diagnostics

// Each case breaks one rule, which its error states.

// These cases break rules for the recipe and the sources of a plan.tensor.

// expected-error @+1 {{recipe copy needs exactly 1 source, but has 2}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>, #llm.weight<"b", F32, 8x8>] as F32 rows 16 x 8 bytes 512

// -----

// expected-error @+1 {{recipe concat needs 2 or more sources, but has 1}}
plan.tensor @t concat [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256

// -----

// expected-error @+1 {{source 'b' is a matrix of 4 columns; it must be a matrix of 8 columns, like the tensor}}
plan.tensor @t concat [#llm.weight<"a", F32, 8x8>, #llm.weight<"b", F32, 8x4>] as F32 rows 16 x 8 bytes 512

// -----

// expected-error @+1 {{recipe join needs 2 sources and an even number of columns, but has 1 sources and 8 columns}}
plan.tensor @t join [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256

// -----

// expected-error @+1 {{source 'b' is 4x8 of dtype F32; it must be a matrix of 8x8 of dtype F32}}
plan.tensor @t join [#llm.weight<"a", F32, 8x8>, #llm.weight<"b", F32, 4x8>] as F32 rows 8 x 16 bytes 512

// -----

// expected-error @+1 {{source 'a' has dtype F16, but the tensor has F32; a recipe cannot convert one dtype to another}}
plan.tensor @t copy [#llm.weight<"a", F16, 8x8>] as F32 rows 8 x 8 bytes 256

// -----

// expected-error @+1 {{sources have 8 rows together, but the tensor has 9}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 9 x 8 bytes 288

// -----

// expected-error @+1 {{must have 1 row, dtype F32 and layout rows, because its recipe is vector}}
plan.tensor @t vector [#llm.weight<"a", F16, 8>] as F16 rows 1 x 8 bytes 16

// -----

// expected-error @+1 {{source 'a' is a matrix of 1x8, but recipe vector takes vectors}}
plan.tensor @t vector [#llm.weight<"a", F32, 1x8>] as F32 rows 1 x 8 bytes 32

// -----

// expected-error @+1 {{sources have 12 elements together, but the tensor has 8}}
plan.tensor @t vector [#llm.weight<"a", F32, 8>, #llm.weight<"b", F32, 4>] as F32 rows 1 x 8 bytes 32

// -----

// expected-error @+1 {{recipe inverse_frequencies needs the attribute `rope`}}
plan.tensor @t inverse_frequencies [] as F64 rows 1 x 2 bytes 16

// -----

// expected-error @+1 {{a tensor of recipe inverse_frequencies must have 1 x 2 elements, dtype F64 and layout rows, but this one has 1 x 4 elements, dtype F64 and layout rows}}
plan.tensor @t inverse_frequencies [] rope <norm, dim = 4, base = 1.0e4> as F64 rows 1 x 4 bytes 32

// -----

// expected-error @+1 {{recipe inverse_frequencies takes no sources, but has 1}}
plan.tensor @t inverse_frequencies [#llm.weight<"a", F32, 2>] rope <norm, dim = 4, base = 1.0e4> as F64 rows 1 x 2 bytes 16

// -----

// expected-error @+1 {{must have 1 row, dtype F32 and layout rows, because its recipe is row_scales}}
plan.tensor @t row_scales [#llm.weight<"a", F32, 8x4, scale "s">] as F32 rows 8 x 1 bytes 32

// -----

// expected-error @+1 {{source 'a' is a vector, but recipe row_scales takes matrices}}
plan.tensor @t row_scales [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32

// -----

// expected-error @+1 {{sources have 8 rows together, but the tensor has 9 scales; it must have one for each row}}
plan.tensor @t row_scales [#llm.weight<"a", F32, 8x4, scale "s">] as F32 rows 1 x 9 bytes 36

// -----

// expected-error @+1 {{only the recipe inverse_frequencies may have the attribute `rope`}}
plan.tensor @t vector [#llm.weight<"a", F32, 8>] rope <norm, dim = 4, base = 1.0e4> as F32 rows 1 x 8 bytes 32

// -----

// A tensor must have as many bytes as its layout takes. In layout x16, 9 rows
// of 8 float32 take as much space as 16 rows, because a row block has 16 rows.

// expected-error @+1 {{bytes is 288, but a tensor of this dtype, layout and shape takes 512}}
plan.tensor @t copy [#llm.weight<"a", F32, 9x8>] as F32 x16 9 x 8 bytes 288

// -----

plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 // expected-error @+1 {{'x17' is not a layout; name one such as rows or x16}}
  x17 8 x 8 bytes 256

// -----

// These cases break rules for the place of a plan.tensor in a segment.

// expected-error @+1 {{offset 32 is not a multiple of 64}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256 in @s at 32
plan.segment @s weights codec none bytes 512

// -----

// expected-error @+1 {{@s is not a plan.segment}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256 in @s at 0

// -----

// expected-error @+1 {{256 bytes at offset 64 extend beyond the end of segment @s of 300 bytes}}
plan.tensor @t copy [#llm.weight<"a", F32, 8x8>] as F32 rows 8 x 8 bytes 256 in @s at 64
plan.segment @s weights codec none bytes 300

// -----

// expected-error @+1 {{segment and offset must be given together or not at all}}
"plan.tensor"() <{sym_name = "t", recipe = #plan.recipe<copy>, sources = [#llm.weight<"a", F32, 8x8>], dtype = #llm.dtype<F32>, layout = #plan.layout<rows>, rows = 8 : i64, columns = 8 : i64, bytes = 256 : i64, offset = 0 : i64}> : () -> ()

// -----

// These cases break rules for a plan.executable.

// expected-error @+1 {{entries must be sorted and unique, but 'a' follows 'b'}}
plan.executable @e abi 1 entries ["b", "a"]

// -----

// expected-error @+1 {{@s is not a plan.segment}}
plan.executable @e abi 1 entries [] in @s

// -----

// These cases break rules for a plan.buffer.

// expected-error @+1 {{offset 4 is not a multiple of 64}}
plan.buffer @b row 8 at 4 bytes 64

// -----

// expected-error @+1 {{offset and bytes must be given together or not at all}}
"plan.buffer"() <{sym_name = "b", row_elements = 8 : i64, bytes = 64 : i64}> : () -> ()

// -----

// expected-error @+1 {{attribute 'row_elements' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
plan.buffer @b row 0

// -----

// These cases break rules for plan.kv, which describes the KV cache.

// expected-error @+1 {{dtype is Q8_0; it must be F16 or F32}}
plan.kv Q8_0 page_tokens 64 caches 1 heads 1 head_dim 4 context 512 slots 1

// -----

// expected-error @+1 {{page_tokens is 32; kernels support only 64}}
plan.kv F16 page_tokens 32 caches 1 heads 1 head_dim 4 context 512 slots 1

// -----

// expected-error @+1 {{the KV cache is larger than 2^63 - 1 bytes; reduce its context or slots}}
plan.kv F16 page_tokens 64 caches 1000000000 heads 1000000000 head_dim 4 context 512 slots 1

// -----

// This case breaks a rule for plan.limits.

// expected-error @+1 {{max_outputs is 65; it must be at most max_tokens, which is 64}}
plan.limits tokens 64 outputs 65

// -----

// These cases break rules for a plan.program.

// expected-error @+1 {{min_tokens is 2; it must be at most max_tokens, which is 1}}
plan.program @p tokens 2 to 1 {
}

// -----

plan.program @p tokens 1 to 1 {
  // expected-error @+1 {{is in a plan.program, which may hold only plan.step ops}}
  plan.graph @g {
  ^bb0(%ids: tensor<?xi32>):
    %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
    plan.return %x : tensor<?x8xf32>
  }
}

// -----

// These cases break rules for the kernel spec of a plan.dispatch.

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: the kernel specification lacks the field 'op'}}
    plan.dispatch "k" {k = 8} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: the field 'op' of the kernel specification has a value of the wrong kind or out of range}}
    plan.dispatch "k" {op = "normalise"} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: the field 'k' of the kernel specification has a value of the wrong kind or out of range}}
    plan.dispatch "k" {op = "rms_norm", k = "8"} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: the field 'k' of the kernel specification has a value of the wrong kind or out of range}}
    plan.dispatch "k" {op = "rms_norm", k = -8} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: the field 'dtype' of the kernel specification has a value of the wrong kind or out of range}}
    plan.dispatch "k" {op = "rms_norm", dtype = "Q9_9"} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{spec: 'width' is not a field of a kernel specification}}
    plan.dispatch "k" {op = "rms_norm", width = 8} (<read buffer @x>, <read tensor @w>, <write buffer @x>)
  }
}

// -----

// These cases break rules for the bindings of a plan.dispatch.

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{has 2 bindings, but the kernel takes 3}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @w>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{weight is bound as #plan.binding<read buffer @x>, but must be a tensor for read}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read buffer @x>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{y is bound as #plan.binding<write buffer @x>, but must be a buffer for read_write}}
    plan.dispatch "k" {op = "add"} (<read buffer @x>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{@w is not a plan.buffer}}
    plan.dispatch "k" {op = "add"} (<read buffer @x>, <read_write buffer @w>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{@x is not a plan.tensor}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @x>, <write buffer @x>)
  }
}

// -----

plan.buffer @x row 8
plan.tensor @w vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
plan.program @p tokens 1 to 1 {
  plan.step norm "norm" {
    // expected-error @+1 {{tensor @w is bound for write, but tensors are read-only}}
    plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <write tensor @w>, <write buffer @x>)
  }
}

// -----

// This case breaks a rule for plan.read.

// expected-error @+1 {{@s is not a plan.segment}}
plan.read @s before 0

// -----

// These cases break rules for plan.placement.

// expected-error @+1 {{keeps -1 bytes of a segment in RAM; the number must be 0 or more}}
plan.placement resident [-1] ring 0 {
}

// -----

plan.placement resident [] ring 0 {
  // expected-error @+1 {{is in a plan.placement, which may hold only plan.budget, plan.budget_item, plan.stream, plan.device_stream and plan.prediction ops}}
  plan.decision "context" = "64" by user
}

// -----

plan.placement resident [] ring 4096 {
  // expected-error @+1 {{@s is not a plan.segment}}
  plan.stream @s at 0 bytes 4096 to 0 before 0 after -1
}

// -----

plan.placement resident [] ring 0 device_ring 4096 {
  // expected-error @+1 {{@s is not a plan.segment}}
  plan.device_stream @s at 0 bytes 4096 to 0 before 0 after -1
}

// -----

// expected-error @+1 {{expects parent op 'plan.placement'}}
plan.budget ram bytes 0
