"""Times a training step of a plain PyTorch transformer on the CPU, to hold Hearth against. Needs only torch >= 2.4.

A step is forward, backward, clip_grad_norm_, AdamW and reading the loss, in float32.
Legend: B batch, T time, C channels, H heads, K kv heads, D head width, F feed-forward, V vocabulary.
"""

import argparse
import json
import pathlib
import resource
import statistics
import sys
import time
import tomllib

import torch
import torch.nn.functional as F
from torch import nn


def rope_table(time, width, base=10000.0):
    """cos and sin [T, D / 2]."""
    angles = torch.outer(torch.arange(time).float(), base ** (-torch.arange(0, width, 2).float() / width))
    return angles.cos(), angles.sin()


def rotate(x_bhtd, cos, sin):
    """Turns the pairs (i, i + D / 2)."""
    a, b = x_bhtd.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.width = o.width // o.heads
        self.sizes = [n * self.width for n in (o.heads, o.kv_heads, o.kv_heads)]
        self.group = o.heads // o.kv_heads
        self.qkv = nn.Linear(o.width, sum(self.sizes), bias=o.bias)
        self.output = nn.Linear(o.width, o.width, bias=o.bias)

    def forward(self, x_btc, rope):
        parts = self.qkv(x_btc).split(self.sizes, dim=-1)
        q_bhtd, k_bktd, v_bktd = (p.unflatten(-1, (-1, self.width)).transpose(1, 2) for p in parts)
        if rope is not None:
            q_bhtd, k_bktd = rotate(q_bhtd, *rope), rotate(k_bktd, *rope)
        if self.group > 1:  # enable_gqa would leave the CPU's fused kernel.
            k_bktd, v_bktd = (x.repeat_interleave(self.group, dim=1) for x in (k_bktd, v_bktd))
        y_bhtd = F.scaled_dot_product_attention(q_bhtd, k_bktd, v_bktd, is_causal=True)
        return self.output(y_bhtd.transpose(1, 2).flatten(-2))


class Gelu(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.up = nn.Linear(o.width, o.ffn_width, bias=o.bias)
        self.down = nn.Linear(o.ffn_width, o.width, bias=o.bias)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class SwiGlu(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.gate = nn.Linear(o.width, o.ffn_width, bias=o.bias)
        self.up = nn.Linear(o.width, o.ffn_width, bias=o.bias)
        self.down = nn.Linear(o.ffn_width, o.width, bias=o.bias)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


def norm(o):
    return nn.RMSNorm(o.width, eps=1e-5) if o.family == "llama" else nn.LayerNorm(o.width, eps=1e-5, bias=o.bias)


class Block(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.attention_norm, self.attention = norm(o), Attention(o)
        self.mlp_norm, self.mlp = norm(o), SwiGlu(o) if o.family == "llama" else Gelu(o)

    def forward(self, x_btc, rope):
        x_btc = x_btc + self.attention(self.attention_norm(x_btc), rope)
        return x_btc + self.mlp(self.mlp_norm(x_btc))


class Model(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.tokens = nn.Embedding(o.vocab, o.width)
        self.positions = nn.Embedding(o.context, o.width) if o.family == "gpt2" else None
        self.blocks = nn.ModuleList(Block(o) for _ in range(o.layers))
        self.norm = norm(o)
        self.head = nn.Linear(o.width, o.vocab, bias=False)
        if o.tied:
            self.head.weight = self.tokens.weight
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        cos, sin = rope_table(o.context, o.width // o.heads, o.rope_base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens_bt, targets_bt):
        x_btc = self.tokens(tokens_bt)
        rope = (self.cos, self.sin) if self.positions is None else None
        if self.positions is not None:
            x_btc = x_btc + self.positions.weight
        for block in self.blocks:
            x_btc = block(x_btc, rope)
        logits_btv = self.head(self.norm(x_btc))
        return F.cross_entropy(logits_btv.flatten(0, 1), targets_bt.flatten())


def read_config(o):
    """Takes the model from a configuration file; it may have what the models here have, and no more."""
    config = tomllib.loads(o.config.read_text())
    model, batch = config["model"], config["batch"]
    families = {("layer", "learned", "gelu"): "gpt2", ("rms", "rope", "swiglu"): "llama"}
    o.family = families[model.pop("norm"), model.pop("positions"), model.pop("mlp")]
    o.layers, o.heads, o.width = model.pop("layers"), model.pop("heads"), model.pop("width")
    o.context, o.vocab, o.batch = model.pop("context_length"), model.pop("vocab_size"), batch.pop("micro_batch")
    o.kv_heads, o.ffn_width = model.pop("kv_heads", None), model.pop("ffn_width", None)
    if o.family == "llama" and o.ffn_width is None:
        o.ffn_width = -(-(-(-8 * o.width // 3)) // 32) * 32  # Two thirds of four times, up to a multiple of 32.
    o.bias, o.tied, o.rope_base = model.pop("bias", False), model.pop("tied", False), model.pop("rope_base", o.rope_base)
    if model or batch:
        sys.exit(f"{o.config}: {', '.join([*model, *batch])}: the models here have no such thing")


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--family", choices=("gpt2", "llama"), default="gpt2")
    for name, default in (("layers", 4), ("heads", 4), ("width", 128), ("context", 64), ("batch", 12), ("vocab", 65)):
        p.add_argument(f"--{name}", type=int, default=default)
    p.add_argument("--kv-heads", type=int, help="as many as heads, if not given")
    p.add_argument("--ffn-width", type=int, help="four times the width, if not given")
    p.add_argument("--rope-base", type=float, default=10000.0, help="llama only")
    p.add_argument("--bias", action=argparse.BooleanOptionalAction, default=False, help="gpt2 only")
    p.add_argument("--tied", action=argparse.BooleanOptionalAction, default=False)
    p.add_argument("--fused", action=argparse.BooleanOptionalAction, default=True, help="the fused AdamW")
    p.add_argument("--compile", action="store_true", help="torch.compile; needs a C++ compiler")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=30)
    p.add_argument("--warmup", type=int, default=5)
    p.add_argument("--config", type=pathlib.Path, help="the model and batch of a configuration of Hearth's, spelt out")
    p.add_argument("--json", action="store_true", help="print a line of JSON with the fields of `hearth bench --json`")
    o = p.parse_args()
    if o.config:
        read_config(o)
    o.kv_heads = o.kv_heads or o.heads
    o.ffn_width = o.ffn_width or 4 * o.width
    if o.width % o.heads or o.heads % o.kv_heads:
        p.error("--heads must divide --width, and --kv-heads must divide --heads")
    if o.family == "llama" and o.bias:
        p.error("the llama family has no biases")
    return o


def step(model, optimizer, tokens_bt, targets_bt):
    optimizer.zero_grad()
    loss = model(tokens_bt, targets_bt)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux counts KiB.


def main():
    o = options()
    imported_mb = peak_rss_mb()
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    model = Model(o)
    params = list(model.parameters())
    groups = [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=o.fused)
    run = torch.compile(model) if o.compile else model

    seconds = []
    for _ in range(o.warmup + o.steps):
        tokens = torch.randint(o.vocab, (o.batch, o.context + 1))
        tokens_bt, targets_bt = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        start = time.perf_counter()
        loss = step(run, optimizer, tokens_bt, targets_bt)
        seconds.append(time.perf_counter() - start)

    show(o, seconds[o.warmup :], sum(p.numel() for p in params), imported_mb, loss)


def show(o, seconds, parameters, imported_mb, loss):
    median = statistics.median(seconds)
    if o.json:
        step = {"median_ms": 1e3 * median, "min_ms": 1e3 * min(seconds), "max_ms": 1e3 * max(seconds)}
        memory = {"resident_bytes": int(1e6 * peak_rss_mb()), "resident_before_bytes": int(1e6 * imported_mb)}
        tokens_per_step = o.batch * o.context
        figures = {
            "device": f"PyTorch {torch.__version__}, {o.threads} threads" + (", compiled" if o.compile else ""),
            "parameters": parameters,
            "tokens_per_step": tokens_per_step,
            "steps": len(seconds),
            "step": step,
            "tokens_per_second": tokens_per_step / median,
            "memory": memory,
            "loss": loss,
        }
        print(json.dumps(figures), flush=True)
        return
    how = f"torch {torch.__version__}, {o.threads} threads" + (", compiled" if o.compile else "")
    shape = f"L{o.layers} H{o.heads}/{o.kv_heads} C{o.width} F{o.ffn_width} V{o.vocab} B{o.batch} T{o.context}"
    heading = "| what | model | parameters | ms/step | tokens/s | peak RSS, MB | after import, MB | last loss |"
    print(heading, file=sys.stderr)
    print(
        f"| {how} | {o.family} {shape} | {parameters:,} | {1e3 * median:.1f} "
        f"| {o.batch * o.context / median:,.0f} | {peak_rss_mb():.0f} | {imported_mb:.0f} | {loss:.3f} |"
    )


if __name__ == "__main__":
    main()
