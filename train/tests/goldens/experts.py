"""mixtral.safetensors and deepseek.safetensors: mixtures of experts in plain PyTorch.

Mixtral-like: a softmax, the two best of four, divided by their sum (arXiv 2401.04088, section 2.1), and Switch's loss that balances
them (arXiv 2101.03961, equation 4). DeepSeek-like: sigmoids, a bias that chooses and moves by the sign of the load, a shared expert,
a first block without experts, a scale (arXiv 2412.19437, section 2.1.2). Every expert sees every position, and a mask chooses.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

import golden
import options

BASE = options.CONFIG | {"sliding_window": [], "logit_softcap": None, "tied": False}
MIXTRAL = BASE | {
    "experts": 4, "experts_per_token": 2, "shared_experts": 0, "expert_width": 40, "dense_layers": 0,
    "router_score": "softmax", "normalize_experts": True, "expert_scale": 1.0,
}  # fmt: skip
DEEPSEEK = BASE | {
    "experts": 6, "experts_per_token": 3, "shared_experts": 2, "expert_width": 24, "dense_layers": 1,
    "router_score": "sigmoid", "normalize_experts": True, "expert_scale": 1.5,
}  # fmt: skip
LOAD = 1e-20  # what Hearth multiplies loads by where they stand for a bias's gradient
MARGIN = 1e-5  # float32 must choose as float64 does
LEARNING_RATE = 2e-3  # where choices change at a step, rounding grows faster than elsewhere


def shapes(c):
    found = golden.llama_shapes(c)
    for i in range(c["dense_layers"], c["layers"]):
        block, (e, w, f) = f"blocks.{i}", (c["experts"], c["width"], c["expert_width"])
        own = {f"{block}.experts.router": (w, e), f"{block}.experts.bias": (e,)}
        own |= {f"{block}.experts.{n}": (e, w, f) for n in ("gate", "up")} | {f"{block}.experts.down": (e, f, w)}
        if c["shared_experts"]:
            s = c["shared_experts"] * f
            own |= {f"{block}.experts.shared.{n}.weight": (w, s) for n in ("gate", "up")}
            own |= {f"{block}.experts.shared.down.weight": (s, w)}
        for name in ("gate", "up", "down"):
            found.pop(f"{block}.mlp.{name}.weight")
        found |= own
    return found


def experts(c, params, prefix, x_btc, seen):
    """The mixture; `seen` gets the choices and scores of this block."""
    x_nc = x_btc.flatten(0, 1)
    logits_ne = x_nc @ params[f"{prefix}.router"]
    scores_ne = logits_ne.softmax(-1) if c["router_score"] == "softmax" else logits_ne.sigmoid()
    wanted_ne = (scores_ne + params[f"{prefix}.bias"]).detach()
    best = wanted_ne.sort(-1, descending=True).values
    k = c["experts_per_token"]
    assert (best[:, k - 1] - best[:, k]).min() > MARGIN, "a choice is too close"
    chosen_nk = wanted_ne.topk(k, -1).indices
    mask_ne = torch.zeros_like(scores_ne).scatter(1, chosen_nk, 1.0)
    weights_ne = scores_ne * mask_ne
    if c["normalize_experts"]:
        weights_ne = weights_ne / weights_ne.sum(-1, keepdim=True)
    weights_ne = weights_ne * c["expert_scale"]
    gate_enf, up_enf = (torch.einsum("nc,ecf->enf", x_nc, params[f"{prefix}.{n}"]) for n in ("gate", "up"))
    y_enc = torch.einsum("enf,efc->enc", F.silu(gate_enf) * up_enf, params[f"{prefix}.down"])
    y_nc = torch.einsum("ne,enc->nc", weights_ne, y_enc)
    if c["shared_experts"]:
        y_nc = y_nc + options.mlp(params, f"{prefix}.shared", x_nc)
    shares_ne = scores_ne / scores_ne.sum(-1, keepdim=True)
    seen.append((prefix, mask_ne.sum(0), shares_ne))
    return y_nc.view_as(x_btc)


def forward(c, params, tokens_bt, seen):
    x_btc = params["embedding.tokens"][tokens_bt]
    for i in range(c["layers"]):
        block = f"blocks.{i}"
        normed_btc = options.rms_norm(x_btc, params[f"{block}.attention_norm.gamma"])
        x_btc = x_btc + options.attention(params, f"{block}.attention", normed_btc, 0)
        normed_btc = options.rms_norm(x_btc, params[f"{block}.mlp_norm.gamma"])
        if i < c["dense_layers"]:
            x_btc = x_btc + options.mlp(params, f"{block}.mlp", normed_btc)
        else:
            x_btc = x_btc + experts(c, params, f"{block}.experts", normed_btc, seen)
    return options.rms_norm(x_btc, params["head.norm.gamma"]) @ params["head.output"].T


def losses(c, params, tokens, targets, balance):
    """Logits, the loss, and the gradients of it and of what balances experts; those of biases are loads above the mean."""
    seen = []
    logits = forward(c, params, tokens, seen)
    loss = golden.loss_of(logits, targets, 0.0)
    counted = (targets != golden.IGNORED).sum()
    beside = 0.0
    for _, load_e, shares_ne in seen:
        beside = beside + c["experts"] * (load_e / load_e.sum() * shares_ne.sum(0)).sum() / counted
    trained = {name: p for name, p in params.items() if not name.endswith("experts.bias")}
    grads = dict(zip(trained, torch.autograd.grad(loss + balance * beside, list(trained.values()))))
    grads |= {f"{prefix}.bias": (load_e - load_e.mean()) * LOAD for prefix, load_e, _ in seen}
    return logits, loss, grads


def ten_steps(c, params, tokens, targets, balance, rate):
    trained = [p for name, p in params.items() if not name.endswith("experts.bias")]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": golden.WEIGHT_DECAY},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=golden.BETAS, eps=golden.EPS)
    found, norms = [], []
    for tokens_bt, targets_bt in zip(tokens, targets):
        _, loss, grads = losses(c, params, tokens_bt, targets_bt, balance)
        for name, p in params.items():
            p.grad = grads[name]
        norms.append(torch.nn.utils.clip_grad_norm_(trained, golden.MAX_NORM))
        found.append(loss.detach())
        adamw.step()
        with torch.no_grad():
            for name, p in params.items():
                if name.endswith("experts.bias"):
                    p.sub_(rate * p.grad.sign())
    biases = {f"{name}.after": p.detach() for name, p in params.items() if name.endswith("experts.bias")}
    return {"losses": torch.stack(found), "grad_norms": torch.stack(norms)} | biases


def make(name, c, seed, balance, rate):
    generator = torch.Generator().manual_seed(seed)
    params = golden.draw_params(shapes(c), generator)
    for key in params:
        if key.endswith("experts.bias"):
            params[key] = 0.1 * params[key].float().double()
            params[key] = params[key].float().double()
    vocab = c["vocab_size"]
    batches = {"main": golden.draw_batch(vocab, 3, 13, generator, True), "single": golden.draw_batch(vocab, 2, 1, generator, False)}
    ten = [golden.draw_batch(vocab, 3, 13, generator, True, skew=2 + 8 * step) for step in range(golden.STEPS)]
    batches["steps"] = tuple(torch.stack(x) for x in zip(*ten))

    def compute(dtype):
        out = {}
        for case, (tokens, targets) in batches.items():
            leaves = golden.leaves(params, dtype)
            if case == "steps":
                out |= {f"steps.{key}": x for key, x in ten_steps(c, leaves, tokens, targets, balance, rate).items()}
            else:
                logits, loss, grads = losses(c, leaves, tokens, targets, balance)
                case_out = {"logits": logits, "loss": loss.reshape(1)} | {f"grad.{n}": g for n, g in grads.items()}
                out |= {f"{case}.{key}": x.detach() for key, x in case_out.items()}
        return out

    results = compute(torch.float64)
    golden.compare(compute(torch.float32), results)
    tensors = {f"param.{n}": x for n, x in params.items()} | results
    for case, (tokens, targets) in batches.items():
        tensors |= {f"{case}.tokens": tokens, f"{case}.targets": targets}
    metadata = {
        "format_version": golden.VERSION,
        "made_by": f"experts.py with torch {torch.__version__}",
        "config": json.dumps(c),
        "z_loss": "0",
        "router_balance": str(balance),
        "router_bias_rate": str(rate),
    }
    golden.write(pathlib.Path(__file__).with_name(f"{name}.safetensors"), tensors, metadata)
    print(name, [round(x, 4) for x in results["steps.losses"].tolist()], [round(x, 4) for x in results["steps.grad_norms"].tolist()])


if __name__ == "__main__":
    make("mixtral", MIXTRAL, 11, balance=0.02, rate=0.0)
    make("deepseek", DEEPSEEK, 16, balance=0.0, rate=0.01)
