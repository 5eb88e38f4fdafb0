"""gpt2.safetensors: Hugging Face's GPT2LMHeadModel with eager attention: biases, tied head, tanh GELU."""

import pathlib

import torch
import transformers
from torch.nn.utils.stateless import functional_call

import golden

CONFIG = {
    "vocab_size": 61, "context_length": 16, "layers": 2, "width": 32, "heads": 4, "kv_heads": 4,
    "head_width": 8, "ffn_width": 128, "norm": "layer", "norm_eps": 1e-5, "positions": "learned",
    "rope_base": 10000.0, "rope_layout": "half", "mlp": "gelu", "bias": True, "tied": True,
    "qk_norm": False, "sliding_window": [], "logit_softcap": None,
}  # fmt: skip


def shapes():
    width, ffn = CONFIG["width"], CONFIG["ffn_width"]
    norm = {"gamma": (width,), "beta": (width,)}
    square = {"weight": (width, width), "bias": (width,)}
    block = {
        "attention_norm": norm,
        "attention.query": square,
        "attention.key": square,
        "attention.value": square,
        "attention.output": square,
        "mlp_norm": norm,
        "mlp.up": {"weight": (width, ffn), "bias": (ffn,)},
        "mlp.down": {"weight": (ffn, width), "bias": (width,)},
    }
    parts = {"embedding": {"tokens": (CONFIG["vocab_size"], width), "positions": (CONFIG["context_length"], width)}}
    for i in range(CONFIG["layers"]):
        parts |= {f"blocks.{i}.{name}": part for name, part in block.items()}
    parts["head.norm"] = norm
    return {f"{part}.{leaf}": shape for part, inner in parts.items() for leaf, shape in inner.items()}


def build(dtype):
    config = transformers.GPT2Config(
        vocab_size=CONFIG["vocab_size"],
        n_positions=CONFIG["context_length"],
        n_embd=CONFIG["width"],
        n_layer=CONFIG["layers"],
        n_head=CONFIG["heads"],
        n_inner=CONFIG["ffn_width"],
        activation_function="gelu_new",
        layer_norm_epsilon=CONFIG["norm_eps"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        tie_word_embeddings=CONFIG["tied"],
        use_cache=False,
        attn_implementation="eager",
    )
    return transformers.GPT2LMHeadModel(config).to(dtype)


def state_of(params):
    """Hearth's names to Hugging Face's. Conv1D is [in, out] already; query, key and value are fused."""
    state = {
        "transformer.wte.weight": params["embedding.tokens"],
        "transformer.wpe.weight": params["embedding.positions"],
        "transformer.ln_f.weight": params["head.norm.gamma"],
        "transformer.ln_f.bias": params["head.norm.beta"],
        "lm_head.weight": params["embedding.tokens"],
    }
    for i in range(CONFIG["layers"]):
        ours, theirs = f"blocks.{i}", f"transformer.h.{i}"
        for norm, ln in (("attention_norm", "ln_1"), ("mlp_norm", "ln_2")):
            state[f"{theirs}.{ln}.weight"] = params[f"{ours}.{norm}.gamma"]
            state[f"{theirs}.{ln}.bias"] = params[f"{ours}.{norm}.beta"]
        for leaf in ("weight", "bias"):
            fused = [params[f"{ours}.attention.{n}.{leaf}"] for n in ("query", "key", "value")]
            state[f"{theirs}.attn.c_attn.{leaf}"] = torch.cat(fused, dim=-1)
            state[f"{theirs}.attn.c_proj.{leaf}"] = params[f"{ours}.attention.output.{leaf}"]
            state[f"{theirs}.mlp.c_fc.{leaf}"] = params[f"{ours}.mlp.up.{leaf}"]
            state[f"{theirs}.mlp.c_proj.{leaf}"] = params[f"{ours}.mlp.down.{leaf}"]
    return state


def forward(params, tokens_bt):
    model = build(params["embedding.tokens"].dtype)
    return functional_call(model, state_of(params), (tokens_bt,)).logits


if __name__ == "__main__":
    golden.make(
        pathlib.Path(__file__).with_suffix(".safetensors"), CONFIG, shapes(), forward,
        f", transformers {transformers.__version__}", seed=2,
    )  # fmt: skip
