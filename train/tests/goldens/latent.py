"""latent.safetensors: multi-head latent attention in plain PyTorch, as DeepSeek-V2 has it (arXiv 2405.04434, equations 9 to 19).

Keys and values are made of one latent vector, queries of another; a head's keys that rotate are shared by all heads. Written by
the paper's equations: nothing is padded, and scores are two products.
"""

import pathlib

import torch

import golden
import options

CONFIG = options.CONFIG | {
    "sliding_window": [], "logit_softcap": None, "tied": False, "qk_norm": False, "kv_heads": 0, "head_width": 8,
    "kv_rank": 12, "query_rank": 20, "rope_head_width": 6, "value_head_width": 10,
}  # fmt: skip


def shapes(c):
    found = golden.llama_shapes(c | {"kv_heads": c["heads"]})
    h, d, p, e = c["heads"], c["head_width"], c["rope_head_width"], c["value_head_width"]
    r, q, w = c["kv_rank"], c["query_rank"], c["width"]
    own = {}
    for name, shape in found.items():
        if ".attention." not in name:
            own[name] = shape
        elif name.endswith("query.weight"):
            prefix = name.removesuffix(".attention.query.weight") + ".latent_attention"
            own |= {
                f"{prefix}.query.weight": (q, h * (d + p)),
                f"{prefix}.query_down.weight": (w, q),
                f"{prefix}.query_norm.gamma": (q,),
                f"{prefix}.key_value_down.weight": (w, r + p),
                f"{prefix}.key_value_norm.gamma": (r,),
                f"{prefix}.key_value.weight": (r, h * (d + e)),
                f"{prefix}.output.weight": (h * e, w),
            }
    return own


def rotated(x_bthp, base, interleaved):
    """Pairs of the last axis turned by position."""
    p = x_bthp.shape[-1]
    angles = torch.arange(x_bthp.shape[1], dtype=torch.float64)[:, None] * base ** (-torch.arange(0, p, 2, dtype=torch.float64) / p)
    cos, sin = (f(angles).to(x_bthp.dtype)[None, :, None] for f in (torch.cos, torch.sin))
    if interleaved:
        a, b = x_bthp[..., 0::2], x_bthp[..., 1::2]
        return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
    a, b = x_bthp.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def attention(c, params, prefix, x_btc):
    b, t, _ = x_btc.shape
    h, d, p, e, r = (c[n] for n in ("heads", "head_width", "rope_head_width", "value_head_width", "kv_rank"))
    weight = lambda name: params[f"{prefix}.{name}.weight"]
    turn = lambda x: rotated(x, c.get("rope_base", 10_000.0), c["rope_layout"] == "interleaved")
    latent_q = options.rms_norm(x_btc @ weight("query_down"), params[f"{prefix}.query_norm.gamma"])
    q = (latent_q @ weight("query")).view(b, t, h, d + p)
    down = x_btc @ weight("key_value_down")
    latent = options.rms_norm(down[..., :r], params[f"{prefix}.key_value_norm.gamma"])
    kv = (latent @ weight("key_value")).view(b, t, h, d + e)
    scores = torch.einsum("bthd,bshd->bhts", q[..., :d], kv[..., :d])
    scores = scores + torch.einsum("bthp,bsp->bhts", turn(q[..., d:]), turn(down[..., None, r:])[:, :, 0])
    mask = torch.ones(t, t, dtype=torch.bool).triu(1)
    weights = (scores / (d + p) ** 0.5).masked_fill(mask, float("-inf")).softmax(-1)
    mixed = torch.einsum("bhts,bshe->bthe", weights, kv[..., d:])
    return mixed.flatten(2) @ weight("output")


def forward(c, params, tokens_bt):
    x_btc = params["embedding.tokens"][tokens_bt]
    for i in range(c["layers"]):
        block = f"blocks.{i}"
        normed_btc = options.rms_norm(x_btc, params[f"{block}.attention_norm.gamma"])
        x_btc = x_btc + attention(c, params, f"{block}.latent_attention", normed_btc)
        normed_btc = options.rms_norm(x_btc, params[f"{block}.mlp_norm.gamma"])
        x_btc = x_btc + options.mlp(params, f"{block}.mlp", normed_btc)
    return options.rms_norm(x_btc, params["head.norm.gamma"]) @ params["head.output"].T


if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("latent.safetensors")
    golden.make(path, CONFIG, shapes(CONFIG), lambda params, tokens: forward(CONFIG, params, tokens), "", seed=21)
