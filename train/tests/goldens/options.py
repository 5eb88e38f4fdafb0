"""options.safetensors: a Llama-like model in plain PyTorch with the options that llama.py leaves out.

Interleaved RoPE, QK-norm before it, a sliding window on layer 0, a soft cap on the logits, z-loss, a tied head.
"""

import pathlib

import torch
import torch.nn.functional as F

import golden

CONFIG = {
    "vocab_size": 61, "context_length": 16, "layers": 2, "width": 32, "heads": 4, "kv_heads": 2,
    "head_width": 8, "ffn_width": 88, "norm": "rms", "norm_eps": 1e-5, "positions": "rope",
    "rope_base": 10000.0, "rope_layout": "interleaved", "mlp": "swiglu", "bias": False, "tied": True,
    "qk_norm": True, "sliding_window": [5, 0], "logit_softcap": 5.0,
}  # fmt: skip
Z_LOSS = 1e-2


def rms_norm(x, gamma):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + CONFIG["norm_eps"]) * gamma


def rotate(x_bhtd):
    """Turns the pair (2i, 2i + 1) at position t by t * base^(-2i / D)."""
    time, width = x_bhtd.shape[-2:]
    exponents = torch.arange(0, width, 2, dtype=torch.float64) / width
    angles = torch.outer(torch.arange(time, dtype=torch.float64), CONFIG["rope_base"] ** -exponents)
    cos, sin = angles.cos().to(x_bhtd.dtype), angles.sin().to(x_bhtd.dtype)
    even, odd = x_bhtd[..., 0::2], x_bhtd[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


def attention(params, prefix, x_btc, window):
    """Causal; with a window, position t sees the positions s with t - s < window."""
    batch, time, _ = x_btc.shape

    def heads(name):  # [B, heads, T, D]
        return (x_btc @ params[f"{prefix}.{name}.weight"]).view(batch, time, -1, CONFIG["head_width"]).transpose(1, 2)

    q_bhtd = rotate(rms_norm(heads("query"), params[f"{prefix}.query_norm.gamma"]))
    k_bktd = rotate(rms_norm(heads("key"), params[f"{prefix}.key_norm.gamma"]))
    v_bktd = heads("value")
    group = CONFIG["heads"] // CONFIG["kv_heads"]
    k_bhtd, v_bhtd = (x.repeat_interleave(group, dim=1) for x in (k_bktd, v_bktd))
    scores_bhts = q_bhtd @ k_bhtd.transpose(-1, -2) * CONFIG["head_width"] ** -0.5
    distance_ts = torch.arange(time)[:, None] - torch.arange(time)[None, :]
    hidden_ts = (distance_ts < 0) | (distance_ts >= (window or time))
    weights_bhts = scores_bhts.masked_fill(hidden_ts, float("-inf")).softmax(-1)
    return (weights_bhts @ v_bhtd).transpose(1, 2).flatten(-2) @ params[f"{prefix}.output.weight"]


def mlp(params, prefix, x_btc):
    gate_btf, up_btf = (x_btc @ params[f"{prefix}.{name}.weight"] for name in ("gate", "up"))
    return (F.silu(gate_btf) * up_btf) @ params[f"{prefix}.down.weight"]


def forward(params, tokens_bt):
    x_btc = params["embedding.tokens"][tokens_bt]
    for i, window in enumerate(CONFIG["sliding_window"]):
        block = f"blocks.{i}"
        normed_btc = rms_norm(x_btc, params[f"{block}.attention_norm.gamma"])
        x_btc = x_btc + attention(params, f"{block}.attention", normed_btc, window)
        x_btc = x_btc + mlp(params, f"{block}.mlp", rms_norm(x_btc, params[f"{block}.mlp_norm.gamma"]))
    logits_btv = rms_norm(x_btc, params["head.norm.gamma"]) @ params["embedding.tokens"].T
    cap = CONFIG["logit_softcap"]
    return cap * torch.tanh(logits_btv / cap)


if __name__ == "__main__":
    golden.make(
        pathlib.Path(__file__).with_suffix(".safetensors"), CONFIG, golden.llama_shapes(CONFIG), forward,
        "", seed=3, z_loss=Z_LOSS,
    )  # fmt: skip
