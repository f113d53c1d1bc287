// RUN: air-opt %s --split-input-file --select-kernels="target=x86-64-v3" --verify-diagnostics

// All layers must have the same shape of KV cache.

// expected-error @+1 {{step layer.0.attn_in: the layer has 2 KV heads of 16 elements, but the model's KV cache has 1 KV head of 16 elements; layers of different shapes are not supported}}
module {
  plan.model <name = "m", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @m {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 2 kv_heads 2 head_dim 16 q <"q", F16, 32x32> k <"k", F16, 32x32> v <"v", F16, 32x32> rope <norm, dim = 16, base = 1.0e4> : tensor<?x32xf32> -> tensor<?x96xf32>
    plan.return %x0 : tensor<?x32xf32>
  }
}

// -----

// expected-error @+1 {{step layer.0.attn_in: attention without rotary positions is not supported; q and k must have the attribute rope}}
module {
  plan.model <name = "m", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @m {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 2 kv_heads 1 head_dim 16 q <"q", F16, 32x32> k <"k", F16, 16x32> v <"v", F16, 16x32> : tensor<?x32xf32> -> tensor<?x64xf32>
    plan.return %x0 : tensor<?x32xf32>
  }
}

// -----

// I8 is a dtype, but not a weight format.

// expected-error @+1 {{step embed: }}
module {
  plan.model <name = "m", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @m {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", I8, 64x32> : tensor<?x32xf32>
    plan.return %x0 : tensor<?x32xf32>
  }
}

// -----

// A kernel that the target does not support. The message names the step that
// needs it.

// expected-error-re @+1 {{step layer.0.attn: {{.*}}: 320 query heads share a KV head; at most 256 are supported}}
module {
  plan.model <name = "m", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 320, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @m {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 320 kv_heads 1 head_dim 16 q <"q", F16, 5120x32> k <"k", F16, 16x32> v <"v", F16, 16x32> rope <norm, dim = 16, base = 1.0e4> : tensor<?x32xf32> -> tensor<?x5152xf32>
    %a = plan.attn %qkv layer 0 cache 0 heads 320 kv_heads 1 head_dim 16 scale 0.25 : tensor<?x5152xf32> -> tensor<?x5120xf32>
    plan.return %a : tensor<?x5120xf32>
  }
}

// -----

// expected-error @+1 {{a module must have one plan.graph and one plan.model, but has 0 and 0}}
module {
}

// -----

// The number of bytes of a KV cache must not overflow. This cache has 2^31 - 1
// heads, each with as many elements.

// expected-error @+1 {{a KV cache of 1 x 4096 tokens takes 2^63 bytes or more; choose a smaller --ctx or --slots}}
module {
  plan.model <name = "m", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2147483647, kv_heads = 2147483647, head_dim = 2147483647, ffn_width = 48, trained_context = 4096, parameters = 1>
  plan.graph @m {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    plan.return %x0 : tensor<?x32xf32>
  }
}
