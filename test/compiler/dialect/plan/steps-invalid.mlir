// RUN: air-opt %s --split-input-file --verify-diagnostics

// Each case breaks one rule, which its comment or its error states.

// The embedding table must be as wide as the residual stream.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{table 't' is 8x4 (outputs x inputs), but 8x8 is needed}}
  %y = plan.embed %ids <"t", F32, 8x4> : tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// An embedding table must have no scale, because no kernel multiplies gathered
// rows by a scale.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  // expected-error @+1 {{table 't' has a scale; only the weight of a matmul may have one}}
  %x = plan.embed %ids <"t", F32, 8x8, scale "s"> : tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// In these cases, a weight, bias, norm, rope or result of attn_in does not
// match the shapes of q, k and v.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{q 'q' is 9x8 (outputs x inputs), but 8x8 is needed}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 9x8> k <"k", F32, 4x8> v <"v", F32, 4x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{k 'k' is 8x8 (outputs x inputs), but 4x8 is needed}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 4x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{v 'v' is 8x8 (outputs x inputs), but 4x8 is needed}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 4x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{bias of q 'b' has 4 elements, but 8 are needed}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 8x8> bias <"b", F32, 4> k <"k", F32, 4x8> v <"v", F32, 4x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{norm 'n' has 4 elements, but 8 are needed}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 norm <"n", F32, 4> epsilon 0.5 q <"q", F32, 8x8> k <"k", F32, 4x8> v <"v", F32, 4x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{k_norm 'kn' has 8 elements, but 4 are needed}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 4x8> v <"v", F32, 4x8> q_norm <"qn", F32, 4> k_norm <"kn", F32, 8> epsilon 0.5 : tensor<?x8xf32> -> tensor<?x16xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{rope rotates 6 elements of a head, but a head has 4}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 4x8> v <"v", F32, 4x8> rope <neox, dim = 6, base = 1.0e4> : tensor<?x8xf32> -> tensor<?x16xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{result has 8 columns, but q, k and v together have 16}}
  %y = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 4x8> v <"v", F32, 4x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// A norm must have an epsilon. The assembly format ensures this, but code that
// builds the op may leave the epsilon out.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{norm and its epsilon must be given together or not at all}}
  %y = "plan.ffn_in"(%x) <{layer = 0 : i64, norm = #llm.weight<"n", F32, 8>, gate = #llm.weight<"g", F32, 8x8>, up = #llm.weight<"u", F32, 8x8>}> : (tensor<?x8xf32>) -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// In these cases, the operand or the result of attn does not match its numbers
// of heads.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{qkv has 8 columns, but q, k and v together have 16}}
  %y = plan.attn %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{result has 8 columns, but all heads together have 4 elements}}
  %y = plan.attn %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 2 scale 0.5 : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{3 heads cannot share 2 kv_heads; the number of heads must be a multiple of kv_heads}}
  %y = plan.attn %x layer 0 cache 0 heads 3 kv_heads 2 head_dim 2 scale 0.5 : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// In these cases, a weight, bias or norm of a step other than attn_in has the
// wrong shape.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'o' is 4x8 (outputs x inputs), but 8x8 is needed}}
  %y = plan.attn_out %x into %x layer 0 <"o", F32, 4x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{bias 'b' has 4 elements, but 8 are needed}}
  %y = plan.ffn_out %x into %x layer 0 <"o", F32, 8x8> bias <"b", F32, 4> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{up 'u' is 4x8 (outputs x inputs), but 8x8 is needed}}
  %y = plan.ffn_in %x layer 0 gate <"g", F32, 8x8> up <"u", F32, 4x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{norm 'n' has 4 elements, but 8 are needed}}
  %y = plan.head %x norm <"n", F32, 4> epsilon 0.5 <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// These cases break rules for plain steps, which stand for ops that no fused
// step covers.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'n' has 4 elements, but 8 are needed}}
  %y = plan.norm %x <"n", F32, 4> epsilon 0.5 : tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'w' is a vector of 8, but a matrix of 8x8 is needed}}
  %y = plan.matmul %x <"w", F32, 8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{layer is -2; it must be 0 or more, or -1 for a step outside the layers}}
  %y = plan.glu %x, %x layer -2 : tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// The layers of attention steps are counted from 0, so -1 is not a layer.

plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{attribute 'layer' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
  %y = plan.attn %x layer -1 cache 0 heads 2 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %x : tensor<?x8xf32>
}

// -----

// A graph must take one argument, the token ids.

// expected-error @+1 {{must take exactly one argument, the token ids of type tensor<?xi32>}}
plan.graph @g {
^bb0(%x: tensor<?x8xf32>):
  plan.return %x : tensor<?x8xf32>
}
