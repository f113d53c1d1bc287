//===- NeutralKeys.cpp - keys that are accepted at a neutral value --------===//
#include "compiler/import/NeutralKeys.h"
#include "formats/support/NumberText.h"

#include <algorithm>

namespace air::compiler {
namespace {

constexpr const char *kExperts = "a mixture of experts";
constexpr const char *kWindow = "attention with a sliding window";

constexpr NeutralKey kKeys[] = {
    {"activation_sparsity_scale", Neutral::Zero, "sparse activations"},
    {"attention.causal", Neutral::One, "attention that is not causal"},
    {"attention.clamp_kqv", Neutral::Zero, "clamped queries, keys and values"},
    {"attention.group_norm_groups", Neutral::Zero, "normalisation by groups"},
    {"attention.indexer.head_count", Neutral::Zero, "sparse attention"},
    {"attention.indexer.key_length", Neutral::Anything, "sparse attention"},
    {"attention.indexer.top_k", Neutral::Anything, "sparse attention"},
    {"attention.key_length_mla", Neutral::Zero, "latent attention"},
    {"attention.key_length_swa", Neutral::Anything, kWindow},
    {"attention.kv_lora_rank", Neutral::Zero, "latent attention"},
    {"attention.max_alibi_bias", Neutral::Zero, "ALiBi positions"},
    {"attention.output_scale", Neutral::ZeroOrOne, "scaled attention outputs"},
    {"attention.q_lora_rank", Neutral::Zero, "latent attention"},
    {"attention.relative_buckets_count", Neutral::Zero, "relative positions"},
    {"attention.shared_kv_layers", Neutral::Zero,
     "layers that share keys and values"},
    {"attention.sliding_window_pattern", Neutral::Anything, kWindow},
    {"attention.temperature_length", Neutral::Zero,
     "an attention temperature that follows the position"},
    {"attention.temperature_scale", Neutral::Zero,
     "an attention temperature that follows the position"},
    {"attention.value_length_mla", Neutral::Zero, "latent attention"},
    {"attention.value_length_swa", Neutral::Anything, kWindow},
    {"attn_logit_softcapping", Neutral::Zero, "capped attention scores"},
    {"embedding_length_per_layer_input", Neutral::Zero,
     "separate embeddings for each layer"},
    {"embedding_scale", Neutral::ZeroOrOne, "scaled embeddings"},
    {"expert_chunk_feed_forward_length", Neutral::Anything, kExperts},
    {"expert_count", Neutral::Zero, "a mixture of experts"},
    {"expert_feed_forward_length", Neutral::Anything, kExperts},
    {"expert_gating_func", Neutral::Anything, kExperts},
    {"expert_group_count", Neutral::Anything, kExperts},
    {"expert_group_scale", Neutral::Anything, kExperts},
    {"expert_group_used_count", Neutral::Anything, kExperts},
    {"expert_shared_count", Neutral::Zero, "shared experts"},
    {"expert_shared_feed_forward_length", Neutral::Anything, kExperts},
    {"expert_used_count", Neutral::Anything, kExperts},
    {"expert_weights_norm", Neutral::Anything, kExperts},
    {"expert_weights_scale", Neutral::Anything, kExperts},
    {"experts_per_group", Neutral::Anything, kExperts},
    {"final_logit_softcapping", Neutral::Zero, "capped logits"},
    {"full_attention_interval", Neutral::ZeroOrOne,
     "layers without full attention"},
    {"interleave_moe_layer_step", Neutral::Anything, kExperts},
    {"leading_dense_block_count", Neutral::Anything, kExperts},
    {"logit_scale", Neutral::ZeroOrOne, "scaled logits"},
    {"moe_every_n_layers", Neutral::Anything, kExperts},
    {"moe_latent_size", Neutral::Anything, kExperts},
    {"n_deepstack_layers", Neutral::Zero, "layers that take images"},
    {"nextn_predict_layers", Neutral::Zero,
     "layers that predict the tokens after the next one"},
    {"pooling_type", Neutral::Zero, "pooled outputs"},
    {"rescale_every_n_layers", Neutral::Zero, "rescaled layers"},
    {"residual_scale", Neutral::ZeroOrOne, "scaled residuals"},
    {"rope.dimension_count_swa", Neutral::Anything, kWindow},
    {"rope.dimension_sections", Neutral::Zero,
     "positions of several dimensions"},
    {"rope.freq_base_swa", Neutral::Anything, kWindow},
    {"rope.scaling.alpha", Neutral::ZeroOrOne, "NTK-aware rope scaling"},
    {"router_logit_softcapping", Neutral::Anything, kExperts},
    {"ssm.conv_kernel", Neutral::Zero, "state-space layers"},
    {"ssm.group_count", Neutral::Zero, "state-space layers"},
    {"ssm.inner_size", Neutral::Zero, "state-space layers"},
    {"ssm.state_size", Neutral::Zero, "state-space layers"},
    {"ssm.time_step_rank", Neutral::Zero, "state-space layers"},
    {"swiglu_clamp_exp", Neutral::Anything, kExperts},
    {"swiglu_clamp_shexp", Neutral::Anything, kExperts},
    {"swin_norm", Neutral::Zero, "Swin norms"},
    // This key records how the converter's input was laid out.
    {"tensor_data_layout", Neutral::Anything, "tensors in another order"},
    {"token_shift_count", Neutral::Zero, "recurrent layers"},
    {"use_parallel_residual", Neutral::Zero, "parallel residuals"},
};

static_assert(std::ranges::is_sorted(kKeys, std::ranges::less{},
                                     &NeutralKey::key),
              "the table must be sorted by key");

bool isNeutral(Neutral neutral, double value) {
  switch (neutral) {
  case Neutral::Zero:
    return value == 0;
  case Neutral::One:
    return value == 1;
  case Neutral::ZeroOrOne:
    return value == 0 || value == 1;
  case Neutral::Anything:
    return true;
  }
  return false;
}

} // namespace

std::span<const NeutralKey> neutralKeys() { return kKeys; }

Status readNeutralKeys(SourceReader &reader) {
  for (const NeutralKey &key : kKeys) {
    const std::string name(key.key);
    reader.leaveUnlisted(name);
    if (key.neutral == Neutral::Anything) {
      reader.ignore(name);
      continue;
    }
    AIR_ASSIGN_OR_RETURN(std::vector<double> values, reader.numbers(name));
    for (double value : values) {
      if (!isNeutral(key.neutral, value)) {
        const char *neutral = key.neutral == Neutral::Zero ? "the value 0 is"
                              : key.neutral == Neutral::One
                                  ? "the value 1 is"
                                  : "the values 0 and 1 are";
        return unsupportedError("key '" + reader.fullKey(name) + "' is " +
                                numberText(value) + ", so the model has " +
                                std::string(key.what) + "; only " + neutral +
                                " supported");
      }
    }
  }
  return Status::ok();
}

} // namespace air::compiler
