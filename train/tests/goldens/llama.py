"""llama.safetensors: Hugging Face's LlamaForCausalLM with eager attention, grouped heads and an untied head."""

import contextlib
import pathlib
from unittest import mock

import torch
import transformers
from torch.nn.utils.stateless import functional_call
from transformers.models.llama import modeling_llama

import golden

CONFIG = {
    "vocab_size": 61, "context_length": 16, "layers": 2, "width": 32, "heads": 4, "kv_heads": 2,
    "head_width": 8, "ffn_width": 88, "norm": "rms", "norm_eps": 1e-5, "positions": "rope",
    "rope_base": 10000.0, "rope_layout": "half", "mlp": "swiglu", "bias": False, "tied": False,
    "qk_norm": False, "sliding_window": [], "logit_softcap": None,
}  # fmt: skip


def build():
    config = transformers.LlamaConfig(
        vocab_size=CONFIG["vocab_size"],
        hidden_size=CONFIG["width"],
        intermediate_size=CONFIG["ffn_width"],
        num_hidden_layers=CONFIG["layers"],
        num_attention_heads=CONFIG["heads"],
        num_key_value_heads=CONFIG["kv_heads"],
        max_position_embeddings=CONFIG["context_length"],
        rms_norm_eps=CONFIG["norm_eps"],
        rope_theta=CONFIG["rope_base"],
        tie_word_embeddings=CONFIG["tied"],
        use_cache=False,
        attn_implementation="eager",
    )
    return transformers.LlamaForCausalLM(config)


def state_of(params):
    """Hearth's names and layouts to Hugging Face's."""
    parts = {
        "attention_norm.gamma": "input_layernorm.weight",
        "attention.query.weight": "self_attn.q_proj.weight",
        "attention.key.weight": "self_attn.k_proj.weight",
        "attention.value.weight": "self_attn.v_proj.weight",
        "attention.output.weight": "self_attn.o_proj.weight",
        "mlp_norm.gamma": "post_attention_layernorm.weight",
        "mlp.gate.weight": "mlp.gate_proj.weight",
        "mlp.up.weight": "mlp.up_proj.weight",
        "mlp.down.weight": "mlp.down_proj.weight",
    }
    state = {
        "model.embed_tokens.weight": params["embedding.tokens"],
        "model.norm.weight": params["head.norm.gamma"],
        "lm_head.weight": params["head.output"],
    }
    for i in range(CONFIG["layers"]):
        for ours, theirs in parts.items():
            x = params[f"blocks.{i}.{ours}"]
            state[f"model.layers.{i}.{theirs}"] = x.T if x.ndim == 2 else x
    return state


def forward(params, tokens_bt):
    # Built anew: the rotary table's frequencies take the precision in force.
    return functional_call(build(), state_of(params), (tokens_bt,)).logits


class WideTorch:
    def __getattr__(self, name):
        return torch.float64 if name == "float32" else getattr(torch, name)


@contextlib.contextmanager
def exact():
    """Hugging Face's Llama casts its norms, softmax, rotary table and logits to float32: here to float64."""
    with mock.patch.object(modeling_llama, "torch", WideTorch()):
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            yield


if __name__ == "__main__":
    golden.make(
        pathlib.Path(__file__).with_suffix(".safetensors"), CONFIG, golden.llama_shapes(CONFIG), forward,
        f", transformers {transformers.__version__}", seed=1, exact=exact,
    )  # fmt: skip
