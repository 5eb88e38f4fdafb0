"""pretrained/NAME/model.gguf: the models of pretrained.py as llama.cpp's converter writes them, in f32.

    pip install gguf safetensors numpy
    python3 pretrained_gguf.py

The converter (convert_hf_to_gguf.py) is no package; what it does to names and values is written again here, by its source.
"""

import json
import pathlib

import gguf
import numpy as np
from safetensors import safe_open

FOLDER = pathlib.Path(__file__).parent / "pretrained"
# Names, and whether rows of queries and keys are ordered for pairs of neighbours (LlamaModel.permute).
MODELS = {
    "gpt2": ("gpt2", False), "llama": ("llama", True), "llama3": ("llama", True), "mistral": ("llama", True),
    "mixtral": ("llama", True), "qwen2": ("qwen2", False), "qwen3": ("qwen3", False), "qwen3_moe": ("qwen3moe", False),
    "smollm3": ("smollm3", True), "olmo2": ("olmo2", False), "gemma2": ("gemma2", False), "gemma3": ("gemma3", False),
}  # fmt: skip


def main():
    for name, (architecture, permuted) in MODELS.items():
        folder = FOLDER / name
        config = json.loads((folder / "config.json").read_text())
        tensors = {}
        for path in sorted(folder.glob("model*.safetensors")):
            with safe_open(path, "pt") as file:
                tensors |= {key: file.get_tensor(key).float().numpy() for key in file.keys()}
        writer = gguf.GGUFWriter(folder / "model.gguf", architecture)
        metadata(writer, config, architecture)
        layers = config.get("num_hidden_layers") or config["n_layer"]
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper().replace("MOE", "MOE")], layers)
        for key, value in merged_experts(tensors, config).items():
            value = changed(key, value, config, architecture, permuted)
            writer.add_tensor(names.get_name(key, try_suffixes=(".weight", ".bias")), np.ascontiguousarray(value))
        if name == "llama3":
            writer.add_tensor("rope_freqs.weight", llama3_divisors(config))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        print(name, (folder / "model.gguf").stat().st_size)


def metadata(writer, config, architecture):
    if architecture == "gpt2":
        writer.add_block_count(config["n_layer"])
        writer.add_embedding_length(config["n_embd"])
        writer.add_head_count(config["n_head"])
        writer.add_context_length(config["n_positions"])
        writer.add_feed_forward_length(4 * config["n_embd"])
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
        return
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta")}
    rope = rope.get("full_attention", rope)
    writer.add_rope_freq_base(rope["rope_theta"])
    if head := config.get("head_dim"):
        writer.add_key_length(head)
        writer.add_value_length(head)
    if window := config.get("sliding_window"):
        writer.add_sliding_window(window)
    if experts := config.get("num_local_experts"):
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config["num_experts_per_tok"])
        if width := config.get("moe_intermediate_size"):
            writer.add_expert_feed_forward_length(width)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])


def merged_experts(tensors, config):
    """The matrices of all experts of a layer as one."""
    out = {}
    for key, value in tensors.items():
        if ".experts." not in key:
            out[key] = value
            continue
        before, after = key.split(".experts.")
        number, rest = after.split(".", 1)
        if number == "0":
            stack = [tensors[f"{before}.experts.{e}.{rest}"] for e in range(config["num_local_experts"])]
            out[f"{before}.experts.{rest}"] = np.stack(stack)
    return out


def changed(key, value, config, architecture, permuted):
    if architecture == "gpt2" and key.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return value.T
    if architecture.startswith("gemma") and key.endswith("norm.weight"):
        return value + 1
    for projection, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
        if permuted and key.endswith((f"{projection}.weight", f"{projection}.bias")):
            halves = value.reshape(config[heads], 2, value.shape[0] // config[heads] // 2, *value.shape[1:])
            return halves.swapaxes(1, 2).reshape(value.shape)
    return value


def llama3_divisors(config):
    scaling, head = config["rope_scaling"], config["head_dim"]
    frequencies = 1 / config["rope_theta"] ** (np.arange(0, head, 2) / head)
    context = scaling["original_max_position_embeddings"]
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    smooth = np.clip((context * frequencies / (2 * np.pi) - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


if __name__ == "__main__":
    main()
