// RUN: air-opt %s --split-input-file --verify-steps --verify-diagnostics

// Each case but the first breaks one rule, which its comment states.

// This case is valid.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %y = plan.attn_out %a into %x layer 0 <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %l = plan.head %y norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// A plan must have one model.

// expected-error @+1 {{has 0 plan.model and 1 plan.graph; it must have exactly one of each}}
module {
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %y = plan.attn_out %a into %x layer 0 <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %l = plan.head %y norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}
}

// -----

// Unless the model has no attention, every layer must have an attention step.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 2, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
// expected-error @+1 {{has attention in 1 layers, but the model has 2}}
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %y = plan.attn_out %a into %x layer 0 <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %l = plan.head %y norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// A layer that appends to the KV cache must also have an attention step.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
// expected-error @+1 {{has attention in 0 layers, but the model has 1}}
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// Layers must be in order.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 2, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{is in layer 1, but the attn_in of layer 0 must come first}}
  %q = plan.attn_in %x layer 1 cache 1 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 1 cache 1 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %y = plan.attn_out %a into %x layer 1 <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %l = plan.head %y norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// The attention step of a layer must come before the next layer appends keys
// and values to the KV cache.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 2, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  // expected-error @+1 {{is in layer 1, but the attn of layer 0 must come first}}
  %r = plan.attn_in %x layer 1 cache 1 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %y = plan.attn_out %a into %x layer 0 <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  %l = plan.head %y norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// The layer of a step must be one of the model's layers.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{is in layer 1, but the model has 1 layers}}
  %q = plan.attn_in %x layer 1 cache 1 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 1 cache 1 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// An attention step must read what the attn_in of its own layer appended.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %o = plan.matmul %x <"w", F32, 24x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  // expected-error @+1 {{must directly follow the attn_in of layer 0 and read its result}}
  %a = plan.attn %o layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// An attention step must read the cache that its attn_in has written.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  // expected-error @+1 {{reads cache 1, but its attn_in writes cache 0}}
  %a = plan.attn %q layer 0 cache 1 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// Caches must be numbered in the order of the steps that write them.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{writes cache 1, but caches are numbered in the order of the steps that write them, so it must write cache 0}}
  %q = plan.attn_in %x layer 0 cache 1 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 1 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// An attention step must have the numbers of heads of its attn_in.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  // expected-error @+1 {{has 4 heads and 1 kv_heads of 4 elements, but its attn_in has 2 heads and 2 kv_heads of 4 elements}}
  %a = plan.attn %q layer 0 cache 0 heads 4 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x16xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// The number and the size of a step's KV heads must be those of the model.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  // expected-error @+1 {{has 1 kv_heads of 4 elements, but the model's KV cache has 2 kv_heads of 4 elements}}
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 4x8> v <"v", F32, 4x8> : tensor<?x8xf32> -> tensor<?x16xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 1 head_dim 4 scale 0.5 : tensor<?x16xf32> -> tensor<?x8xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// A step must not read a value that another step has overwritten.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  // expected-note @+1 {{layer.0.attn_out overwrote the value here}}
  %y = plan.attn_out %a into %x layer 0 <"o", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{reads a value that a step has overwritten}}
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// A step must not overwrite a value that it also reads.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  // expected-error @+2 {{reads a value that a step has overwritten}}
  // expected-note @+1 {{add overwrote the value here}}
  %y = plan.add %x into %x : tensor<?x8xf32>
  %l = plan.head %y norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// The graph must return the requested rows only.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %n = plan.norm %x <"n", F32, 8> epsilon 0.5 : tensor<?x8xf32>
  %l = plan.matmul %n <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{returns the rows of all tokens; it must return only the rows of the requested outputs}}
  plan.return %l : tensor<?x8xf32>
}

// -----

// The requested rows must be selected only once.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %n = plan.norm %x <"n", F32, 8> epsilon 0.5 select : tensor<?x8xf32>
  // expected-error @+1 {{works on the rows of all tokens, but its operand has the rows of the requested outputs}}
  %l = plan.head %n norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// A matmul that states `rows <outputs>` must not read rows of tokens.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{works on the rows of the requested outputs, but its operand has the rows of all tokens}}
  %l = plan.matmul %x <"t", F32, 8x8> rows <outputs> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// The embedding table must have one row per token of the vocabulary.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  // expected-error @+1 {{is for a vocabulary of 9 tokens, but the model's vocabulary has 8}}
  %x = plan.embed %ids <"t", F32, 9x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}

// -----

// A row of logits must have one element per token of the vocabulary.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  %l = plan.head %x norm <"n", F32, 8> epsilon 0.5 <"t", F32, 9x8> : tensor<?x8xf32> -> tensor<?x9xf32>
  // expected-error @+1 {{is for a vocabulary of 9 tokens, but the model's vocabulary has 8}}
  plan.return %l : tensor<?x9xf32>
}

// -----

// The graph must contain only steps.

plan.model <name = "", architecture = "llama", vocabulary = 8, width = 8, layers = 1, heads = 2, kv_heads = 2, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 1>
plan.graph @g {
^bb0(%ids: tensor<?xi32>):
  %x = plan.embed %ids <"t", F32, 8x8> : tensor<?x8xf32>
  %q = plan.attn_in %x layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 q <"q", F32, 8x8> k <"k", F32, 8x8> v <"v", F32, 8x8> : tensor<?x8xf32> -> tensor<?x24xf32>
  %a = plan.attn %q layer 0 cache 0 heads 2 kv_heads 2 head_dim 4 scale 0.5 : tensor<?x24xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{is not a step}}
  %s = llm.silu %x : tensor<?x8xf32>
  %l = plan.head %s norm <"n", F32, 8> epsilon 0.5 <"t", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
  plan.return %l : tensor<?x8xf32>
}
