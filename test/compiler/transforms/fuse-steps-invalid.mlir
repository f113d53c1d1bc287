// RUN: air-opt %s --split-input-file --fuse-steps --verify-diagnostics

// The error names an op that no step implements, at the op's location.

llm.model @head_norm_of_v <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = llm.linear %x <"q", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %k = llm.linear %x <"k", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %v0 = llm.linear %x <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{no step can compute 'llm.head_norm' at this place; the steps are embed, attn_in, attn, attn_out, ffn_in, ffn_out, head, norm, matmul, add, glu}}
  %v = llm.head_norm %v0 <"n", F32, 4> epsilon 0.5 : tensor<?x8xf32>
  %a = llm.attention %q, %k, %v layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %a : tensor<?x8xf32>
}

// -----

// No step rotates q and k by different angles.

llm.model @two_ropes <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q0 = llm.linear %x <"q", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %k0 = llm.linear %x <"k", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %v = llm.linear %x <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{no step can compute 'llm.rope' at this place}}
  %q = llm.rope %q0 <norm, dim = 4, base = 1.0e4> head_dim 4 : tensor<?x8xf32>
  %k = llm.rope %k0 <norm, dim = 4, base = 1.0e5> head_dim 4 : tensor<?x8xf32>
  %a = llm.attention %q, %k, %v layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %a : tensor<?x8xf32>
}

// -----

// No step computes q, k and v from different inputs.

llm.model @cross_attention <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %y = llm.embed %ids <"u", F32, 8x8> : tensor<?x8xf32>
  %q = llm.linear %x <"q", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %k = llm.linear %y <"k", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %v = llm.linear %y <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{no step can compute 'llm.attention' at this place}}
  %a = llm.attention %q, %k, %v layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %a : tensor<?x8xf32>
}

// -----

// No step multiplies two values unless one of them is the result of an
// activation function.

llm.model @product <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{no step can compute 'llm.mul' at this place}}
  %y = llm.mul %x, %x : tensor<?x8xf32>
  llm.return %y : tensor<?x8xf32>
}

// -----

// A step for a sum overwrites one of the operands, so it cannot add a value to
// itself.

llm.model @doubled <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{no step can compute 'llm.add' at this place}}
  %y = llm.add %x, %x : tensor<?x8xf32>
  llm.return %y : tensor<?x8xf32>
}

// -----

// Only a norm can select the requested rows.

llm.model @rows_without_norm <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{no step can compute 'llm.outputs' at this place}}
  %o = llm.outputs %x : tensor<?x8xf32>
  %y = llm.linear %o <"out", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %y : tensor<?x8xf32>
}

// -----

// A module must have only one model.

llm.model @first <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}
// expected-error @+1 {{is the second model of the module, but a plan has one model}}
llm.model @second <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}
