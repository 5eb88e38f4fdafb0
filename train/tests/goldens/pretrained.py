"""pretrained/NAME: a small model of each published architecture with random weights, as Hugging Face's library writes it, and what that
library makes of it.

    pip install torch transformers        # 2.15 and 5.24
    python3 pretrained.py

Of each: `config.json` and `model.safetensors` (or several, with an index) as a user has them, and `golden.safetensors` with `tokens`
and `targets` [2, 13] (-1 is ignored), `logits` and `loss`, computed in float64 from the weights as stored. `gradients` is the same
model whose parameters are its gradients, as the newest version writes it.
"""

import json
import pathlib
import shutil

import torch
import transformers as hf
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent / "pretrained"
SIZES = dict(
    vocab_size=40, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, bos_token_id=0, eos_token_id=1, pad_token_id=None,
)  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16, "rope_theta": 500.0,
}  # fmt: skip
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 500.0}
LINEAR = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
EXPERTS = dict(num_experts_per_tok=2, router_aux_loss_coef=0.0)

# Name: configuration, how it is stored, and the fields of its config.json as older versions of the library wrote them.
MODELS = {
    "gpt2": (hf.GPT2Config(vocab_size=40, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1), {}),
    "llama": (hf.LlamaConfig(**SIZES, rms_norm_eps=1e-6), {"dtype": torch.bfloat16, "shards": True}),
    "llama3": (hf.LlamaConfig(**SIZES, rope_parameters=LLAMA3, tie_word_embeddings=True), {"old": True}),
    "llama_linear": (hf.LlamaConfig(**SIZES, rope_parameters=LINEAR, head_dim=12), {"dtype": torch.float16}),
    "llama_yarn": (hf.LlamaConfig(**SIZES, rope_parameters=YARN, attention_bias=True, mlp_bias=True), {}),
    "mistral": (hf.MistralConfig(**SIZES, sliding_window=5), {"old": True}),
    "mixtral": (hf.MixtralConfig(**SIZES, num_local_experts=4, sliding_window=None, **EXPERTS), {}),
    "qwen2": (hf.Qwen2Config(**SIZES, tie_word_embeddings=True), {"old": True}),
    "qwen3": (hf.Qwen3Config(**SIZES, head_dim=12), {}),
    "qwen3_moe": (hf.Qwen3MoeConfig(**SIZES, head_dim=8, num_experts=4, moe_intermediate_size=16, norm_topk_prob=True, **EXPERTS), {}),
    "smollm3": (hf.SmolLM3Config(**SIZES | {"num_hidden_layers": 4}), {}),
    "olmo2": (hf.Olmo2Config(**SIZES), {}),
    "gemma2": (hf.Gemma2Config(**SIZES, head_dim=12, query_pre_attn_scalar=10, sliding_window=5), {}),
    "gemma3": (
        hf.Gemma3TextConfig(**SIZES | {"num_hidden_layers": 3}, head_dim=12, query_pre_attn_scalar=12, sliding_window=5, sliding_window_pattern=3),
        {"old": True},
    ),
}  # fmt: skip


def main():
    for name, (config, options) in MODELS.items():
        torch.manual_seed(sum(name.encode()))
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        config._attn_implementation = config._experts_implementation = "eager"
        model = hf.AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for key, p in model.named_parameters():
                scale = torch.randn_like(p) * 0.2
                shift = 0.0 if p.dim() > 1 or key.endswith("bias") or name.startswith("gemma") else 1.0
                p.copy_(scale + shift)
        model = model.to(options.get("dtype", torch.float32))
        model.save_pretrained(folder, max_shard_size=8000 if options.get("shards") else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        as_older_versions(folder, config) if options.get("old") else None
        golden(folder, config)
        print(name, sum(file.stat().st_size for file in folder.glob("**/*")))


def as_older_versions(folder, config):
    """config.json with `rope_theta` and `rope_scaling` in the place of `rope_parameters`."""
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    rope = fields.pop("rope_parameters")
    if "full_attention" in rope:
        fields["rope_theta"] = rope["full_attention"]["rope_theta"]
        fields["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        fields.pop("layer_types")
        fields["sliding_window_pattern"] = 3
    else:
        fields["rope_theta"] = rope.pop("rope_theta")
        fields["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    fields["torch_dtype"] = fields.pop("dtype")
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


def golden(folder, config):
    # Read again: what is no parameter is not in half precision then, and there is no dropout.
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    model.set_experts_implementation("eager") if hasattr(config, "num_experts_per_tok") else None
    tokens, targets = torch.randint(0, 40, (2, 2, 13))
    targets[:, -3:] = -100
    logits = model(tokens).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    tensors = {"logits": logits.detach().float(), "loss": loss.detach().float().view(1), "tokens": tokens.to(torch.int32)}
    tensors["targets"] = targets.masked_fill(targets < 0, -1).to(torch.int32)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.grad)
    model.float().save_pretrained(folder / "gradients")
    (folder / "gradients/generation_config.json").unlink(missing_ok=True)
    metadata = {"format_version": "1", "made_by": f"torch {torch.__version__}, transformers {hf.__version__}"}
    save_file(tensors, folder / "golden.safetensors", metadata)


if __name__ == "__main__":
    main()
