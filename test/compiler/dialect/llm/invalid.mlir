// RUN: air-opt %s --split-input-file --verify-diagnostics

// Each case breaks one rule, which its comment states.

// The embedding table must be as wide as the result of the op.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{result has 16 columns, but 8 are needed}}
  %y = llm.embed %ids <"t", F32, 8x8> : tensor<?x16xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The embedding table must be a matrix.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{table 't' is a vector of 8 elements; it must be a matrix of tokens x width}}
  %y = llm.embed %ids <"t", F32, 8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The weight of a norm must be as wide as its input.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'n' has 7 elements, but 8 are needed}}
  %y = llm.rms_norm %x <"n", F32, 7> epsilon 1.0e-5 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The weight of a norm must be a vector.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'n' is a matrix of 1x8, but a vector of 8 is needed}}
  %y = llm.rms_norm %x <"n", F32, 1x8> epsilon 1.0e-5 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The epsilon of a norm must not be negative.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{epsilon is -1.000000e+00; it must be finite and not negative}}
  %y = llm.rms_norm %x <"n", F32, 8> epsilon -1.0 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The weight of a linear op must have the shape outputs x inputs.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'w' is 8x4 (outputs x inputs), but 4x8 is needed}}
  %y = llm.linear %x <"w", F32, 8x4> : tensor<?x8xf32> -> tensor<?x4xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The weight of a linear op must be a matrix.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'w' is a vector of 8, but a matrix of 4x8 is needed}}
  %y = llm.linear %x <"w", F32, 8> : tensor<?x8xf32> -> tensor<?x4xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The bias of a linear op must have one element per output.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{bias 'b' has 8 elements, but 4 are needed}}
  %y = llm.linear %x <"w", F32, 4x8> bias <"b", F32, 8> : tensor<?x8xf32> -> tensor<?x4xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The row width of a head norm's input must be a multiple of the head size.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{x has 8 columns, which is not a multiple of 3, the number of elements of weight 'n'}}
  %y = llm.head_norm %x <"n", F32, 3> epsilon 1.0e-5 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The weight of a head norm must be a vector.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{weight 'n' is a matrix of 2x4; it must be a vector with one element for each element of a head}}
  %y = llm.head_norm %x <"n", F32, 2x4> epsilon 1.0e-5 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The row width of a rope op's input must be a multiple of the head size.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{x has 8 columns, which is not a multiple of head_dim 3}}
  %y = llm.rope %x <norm, dim = 2, base = 1.0e4> head_dim 3 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// RoPE must not rotate more elements than a head has.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{rope rotates 6 elements of a head, but a head has 4}}
  %y = llm.rope %x <norm, dim = 6, base = 1.0e4> head_dim 4 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// RoPE rotates pairs, so the number of rotated elements must be even.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{rope dim is 3; it must be even and positive}}
  %y = llm.rope %x <norm, dim = 3, base = 1.0e4> head_dim 4 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The base of RoPE must be positive.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{rope base is -1.000000e+00; it must be finite and positive}}
  %y = llm.rope %x <norm, dim = 4, base = -1.0> head_dim 4 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// RoPE factors must have one element per rotated pair.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{rope factors 'f' have 4 elements; there must be 2, one for each pair that rope rotates}}
  %y = llm.rope %x <norm, dim = 4, base = 1.0e4, factors = <"f", F32, 4>> head_dim 4 : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The number of heads must be a multiple of the number of KV heads.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{3 heads cannot share 2 kv_heads; the number of heads must be a multiple of kv_heads}}
  %y = llm.attention %x, %x, %x layer 0 heads 3 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// A row of q must hold all heads.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{q has 8 columns, but 16 are needed}}
  %y = llm.attention %x, %x, %x layer 0 heads 4 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x16xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// A row of k must hold all KV heads.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{k has 8 columns, but 4 are needed}}
  %y = llm.attention %x, %x, %x layer 0 heads 2 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The number of heads must be positive.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{heads is 0, kv_heads is 1 and head_dim is 4; all must be positive}}
  %y = llm.attention %x, %x, %x layer 0 heads 0 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The layer of an attention op must be one of the model's layers.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{is in layer 1, but the model has 1 layers}}
  %y = llm.attention %x, %x, %x layer 1 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// Only one attention op may append to the KV cache of a layer.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-note @+1 {{the first append is here}}
  %y = llm.attention %x, %x, %x layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{appends K and V to layer 0 for the second time}}
  %z = llm.attention %x, %x, %x layer 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The operands of an addition must have the same shape.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %w = llm.linear %x <"w", F32, 4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
  // expected-note @-1 {{prior use here}}
  // expected-error @+1 {{expects different type than prior uses}}
  %y = llm.add %x, %w : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// Activations must be float32 rows, one per token.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{result #0 must be activations tensor<?xKxf32> with one row per token, but got 'tensor<4x8xf32>'}}
  %y = llm.embed %ids <"t", F32, 8x8> : tensor<4x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The name of a dtype must be known.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{'Q9_9' is not a dtype; name one such as F32 or Q4_K}}
  %y = llm.embed %ids <"t", Q9_9, 8x8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The rows of a quantised weight must consist of whole blocks.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{tensor 'w' has rows of 8 elements; Q8_0 needs a multiple of 32}}
  %y = llm.linear %x <"w", Q8_0, 4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// A weight must have one or two dimensions.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{tensor 'w' has 3 extents; weights have 1 (vector) or 2 (matrix)}}
  %y = llm.linear %x <"w", F32, 2x4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// A weight must not be empty.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{tensor 'w' has an extent of 0; extents must be positive}}
  %y = llm.linear %x <"w", F32, 4x0> : tensor<?x8xf32> -> tensor<?x4xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// A weight must have a name.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{a weight needs the name of a tensor}}
  %y = llm.linear %x <"", F32, 4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// A row of logits must have one element per token of the vocabulary.

// expected-error @+1 {{returns rows of 8 logits, but the vocabulary has 9 tokens}}
llm.model @m <name = "", architecture = "llama", vocabulary = 9, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// A model must take one argument, the token ids.

// expected-error @+1 {{must take exactly one argument, the token ids of type tensor<?xi32>}}
llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%x: tensor<?x8xf32>):
  llm.return %x : tensor<?x8xf32>
}

// -----

// The hyperparameters of a model must be positive.

// expected-error @+1 {{the model's width is 0; it must be positive}}
llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 0, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// In the hyperparameters, the number of heads must be a multiple of the number
// of KV heads.

// expected-error @+1 {{the model's 2 heads cannot share 3 kv_heads; the number of heads must be a multiple of kv_heads}}
llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 3, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The hyperparameters must name the architecture.

// expected-error @+1 {{a model needs the name of its architecture}}
llm.model @m <name = "", architecture = "", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

// The size of a row of q, k and v must not overflow.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{4611686018427387904 heads of 2 elements can make a row of q, k and v wider than the limit of 8589934592 elements}}
  %h = llm.attention %x, %x, %x layer 0 heads 4611686018427387904 kv_heads 4611686018427387904 head_dim 2 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // expected-error @+1 {{tensor 't' has more than 1125899906842624 elements}}
  %x = llm.embed %ids <"t", F32, 1099511627776x1099511627776> : tensor<?x1099511627776xf32>
  llm.return %x : tensor<?x1099511627776xf32>
}

// -----

// Only the matrix of a linear op may have a scale.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  // expected-error @+1 {{table 't' has a scale; only the weight of llm.linear may have one}}
  %x = llm.embed %ids <"t", F32, 8x8, scale "s"> : tensor<?x8xf32>
  llm.return %x : tensor<?x8xf32>
}

// -----

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{tensor 'n' has the scale 's', but only matrices may have a scale}}
  %n = llm.rms_norm %x <"n", F32, 8, scale "s"> epsilon 0.5 : tensor<?x8xf32>
  llm.return %n : tensor<?x8xf32>
}

// -----

// The parameters of RoPE scaling must be positive.

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{rope magnitude is 0}}
  %r = llm.rope %x <norm, dim = 4, base = 1.0e4, magnitude = 0.0> head_dim 4 : tensor<?x8xf32>
  llm.return %r : tensor<?x8xf32>
}

// -----

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+2 {{the yarn parameter beta_fast is -1}}
  // expected-error @+1 {{failed to parse Llm_RopeAttr parameter 'yarn'}}
  %r = llm.rope %x <norm, dim = 4, base = 1.0e4, yarn = <factor = 4.0, original_context = 64.0, beta_fast = -1.0, beta_slow = 1.0>> head_dim 4 : tensor<?x8xf32>
  llm.return %r : tensor<?x8xf32>
}

// -----

llm.model @m <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1> {
^bb0(%ids: tensor<?xi32>):
  %x = llm.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+2 {{the yarn parameter mix is}}
  // expected-error @+1 {{failed to parse Llm_RopeAttr parameter 'yarn'}}
  %r = llm.rope %x <norm, dim = 4, base = 1.0e4, yarn = <factor = 4.0, original_context = 64.0, beta_fast = 32.0, beta_slow = 1.0, mix = 0x7FF0000000000000>> head_dim 4 : tensor<?x8xf32>
  llm.return %r : tensor<?x8xf32>
}
