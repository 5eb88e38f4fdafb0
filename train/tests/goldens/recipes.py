"""gemma, gpt_oss, nanochat and recipes.safetensors: pieces of published recipes, one a file and then all of them together.

Without Hugging Face's library: Debian's python3-torch is enough. Legend as in golden.py.
"""

import functools
import pathlib

import torch

import golden
import options

PLAIN = options.CONFIG | {
    "layers": 3, "rope_layout": "half", "tied": False, "qk_norm": False, "sliding_window": [], "logit_softcap": None,
}  # fmt: skip
# Two local layers around a global one, by a list that repeats; scores that a cap bends.
GEMMA = PLAIN | {"sliding_window": [5, 0], "attention_softcap": 0.5, "logit_softcap": 5.0}
# Local layers and sinks.
GPT_OSS = PLAIN | {"sliding_window": [4, 0], "attention_sinks": True}
# A table for the first block and the last.
NANOCHAT = PLAIN | {"qk_norm": True, "value_embeddings": 2}
# Everything, with a table for each block and a tied head.
RECIPES = PLAIN | {
    "tied": True, "qk_norm": True, "sliding_window": [5, 3, 0], "attention_softcap": 1.0, "attention_sinks": True,
    "value_embeddings": 1, "logit_softcap": 5.0,
}  # fmt: skip
GATE_CHANNELS = 12  # of nanochat's value embeddings


def attention(c, params, prefix, x_btc, tokens_bt, window):
    """Causal; with a window, position t sees the positions s with t - s < window."""
    batch, time, _ = x_btc.shape

    def heads(name):  # [B, heads, T, D]
        return (x_btc @ params[f"{prefix}.{name}.weight"]).view(batch, time, -1, c["head_width"]).transpose(1, 2)

    q_bhtd, k_bktd, v_bktd = heads("query"), heads("key"), heads("value")
    if c["qk_norm"]:
        q_bhtd = options.rms_norm(q_bhtd, params[f"{prefix}.query_norm.gamma"])
        k_bktd = options.rms_norm(k_bktd, params[f"{prefix}.key_norm.gamma"])
    q_bhtd, k_bktd = rotate(q_bhtd), rotate(k_bktd)
    if has_value_embedding(c, prefix):
        table, gate = (params[f"{prefix}.value_embedding.{n}"] for n in ("table", "gate"))
        gates_bkt = 3 * torch.sigmoid(x_btc[..., :GATE_CHANNELS] @ gate).transpose(1, 2)
        rows_bktd = table[tokens_bt].view(batch, time, -1, c["head_width"]).transpose(1, 2)
        v_bktd = v_bktd + gates_bkt.unsqueeze(-1) * rows_bktd
    group = c["heads"] // c["kv_heads"]
    k_bhtd, v_bhtd = (x.repeat_interleave(group, dim=1) for x in (k_bktd, v_bktd))
    scores_bhts = q_bhtd @ k_bhtd.transpose(-1, -2) * c["head_width"] ** -0.5
    if cap := c.get("attention_softcap"):
        scores_bhts = cap * torch.tanh(scores_bhts / cap)
    distance_ts = torch.arange(time)[:, None] - torch.arange(time)[None, :]
    hidden_ts = (distance_ts < 0) | (distance_ts >= (window or time))
    scores_bhts = scores_bhts.masked_fill(hidden_ts, float("-inf"))
    if c.get("attention_sinks"):
        # As Hugging Face's gpt-oss: one more column, which is dropped again.
        column = params[f"{prefix}.sinks"].view(1, -1, 1, 1).expand(batch, -1, time, 1)
        weights_bhts = torch.cat((scores_bhts, column), dim=-1).softmax(-1)[..., :-1]
    else:
        weights_bhts = scores_bhts.softmax(-1)
    return (weights_bhts @ v_bhtd).transpose(1, 2).flatten(-2) @ params[f"{prefix}.output.weight"]


def rotate(x_bhtd):
    """Turns the pair (i, i + D/2) at position t by t * base^(-2i / D)."""
    half = x_bhtd.shape[-1] // 2
    pairs = torch.stack((x_bhtd[..., :half], x_bhtd[..., half:]), dim=-1).flatten(-2)
    return options.rotate(pairs).unflatten(-1, (half, 2)).transpose(-1, -2).flatten(-2)


def forward(c, params, tokens_bt):
    x_btc = params["embedding.tokens"][tokens_bt]
    for i in range(c["layers"]):
        block = f"blocks.{i}"
        window = c["sliding_window"][i % len(c["sliding_window"])] if c["sliding_window"] else 0
        normed_btc = options.rms_norm(x_btc, params[f"{block}.attention_norm.gamma"])
        x_btc = x_btc + attention(c, params, f"{block}.attention", normed_btc, tokens_bt, window)
        normed_btc = options.rms_norm(x_btc, params[f"{block}.mlp_norm.gamma"])
        x_btc = x_btc + options.mlp(params, f"{block}.mlp", normed_btc)
    normed_btc = options.rms_norm(x_btc, params["head.norm.gamma"])
    logits_btv = normed_btc @ params["embedding.tokens" if c["tied"] else "head.output"].T
    cap = c["logit_softcap"]
    return cap * torch.tanh(logits_btv / cap) if cap else logits_btv


def make(name, c, seed, z_loss=0.0):
    print(name)
    path = pathlib.Path(__file__).with_name(f"{name}.safetensors")
    golden.make(path, c, shapes(c), functools.partial(forward, c), "", seed, z_loss)


def has_value_embedding(c, prefix):
    every, layer = c.get("value_embeddings", 0), int(prefix.split(".")[1])
    return every > 0 and (c["layers"] - 1 - layer) % every == 0


def shapes(c):
    found = golden.llama_shapes(c)
    for i in range(c["layers"]):
        prefix = f"blocks.{i}.attention"
        if c.get("attention_sinks"):
            found[f"{prefix}.sinks"] = (c["heads"],)
        if has_value_embedding(c, prefix):
            found[f"{prefix}.value_embedding.table"] = (c["vocab_size"], c["kv_heads"] * c["head_width"])
            found[f"{prefix}.value_embedding.gate"] = (GATE_CHANNELS, c["kv_heads"])
    return found


if __name__ == "__main__":
    make("gemma", GEMMA, 21)
    make("gpt_oss", GPT_OSS, 32)
    make("nanochat", NANOCHAT, 23)
    make("recipes", RECIPES, 24, z_loss=1e-2)
