"""Muon: Newton-Schulz alone, ten updates of matrices, ten steps of a model. Makes muon.safetensors.

The code of github.com/KellerJordan/Muon (muon.py), without its rounding to bfloat16; the other scale is Moonlight's
(arXiv 2502.16982, section 2.2). Its weights are [out, in], Hearth's [in, out]: they are turned where it matters.
"""

import json
import math
import pathlib

import torch

import golden
import options

UPDATES, RATE, DECAY, MOMENTUM = 10, 0.02, 0.1, 0.95


def zeropower(G, steps=5):
    a, b, c = (3.4445, -4.7750, 2.0315)
    X = G
    if G.size(-2) > G.size(-1):
        X = X.mT
    X = X / (X.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        A = X @ X.mT
        B = b * A + c * A @ A
        X = a * X + B @ X
    if G.size(-2) > G.size(-1):
        X = X.mT
    return X


def muon_update(grad, momentum, beta=MOMENTUM):
    momentum.lerp_(grad, 1 - beta)
    return zeropower(grad.lerp(momentum, beta))


def original(out, inputs):
    return max(1, out / inputs) ** 0.5


def match_rms_adamw(out, inputs):
    return 0.2 * math.sqrt(max(out, inputs))


def muon_step(weight_io, grad_io, momentum_io, scale, rate, decay):
    """One update of a weight [in, out], or of several [E, in, out]."""
    update = muon_update(grad_io.mT, momentum_io.mT).mT
    inputs, out = weight_io.shape[-2:]
    weight_io.mul_(1 - rate * decay)
    weight_io.add_(update, alpha=-rate * scale(out, inputs))


def ten_updates(weight, grads, scale):
    momentum, out = torch.zeros_like(weight), {}
    for number, grad in enumerate(grads, start=1):
        muon_step(weight, grad.clone(), momentum, scale, RATE, DECAY)
        out |= {f"{number}": weight.clone(), f"momentum.{number}": momentum.clone()}
    return out


def ten_steps(params, tokens, targets):
    """As golden.ten_steps, with Muon for the matrices of blocks and AdamW for the rest."""
    hidden = {name: p for name, p in params.items() if name.startswith("blocks.") and p.ndim >= 2}
    rest = [p for name, p in params.items() if name not in hidden]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": golden.WEIGHT_DECAY},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=golden.LEARNING_RATE, betas=golden.BETAS, eps=golden.EPS)
    momenta = {name: torch.zeros_like(p) for name, p in hidden.items()}
    losses, norms = [], []
    for tokens_bt, targets_bt in zip(tokens, targets):
        loss = golden.loss_of(options.forward(params, tokens_bt), targets_bt, options.Z_LOSS)
        for p, gradient in zip(params.values(), torch.autograd.grad(loss, list(params.values()))):
            p.grad = gradient
        norms.append(torch.nn.utils.clip_grad_norm_(params.values(), golden.MAX_NORM))
        losses.append(loss.detach())
        adamw.step()
        with torch.no_grad():
            for name, p in hidden.items():
                muon_step(p, p.grad, momenta[name], match_rms_adamw, golden.LEARNING_RATE, golden.WEIGHT_DECAY)
    return {"losses": torch.stack(losses), "grad_norms": torch.stack(norms)}


def main():
    generator = torch.Generator().manual_seed(7)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64).float().double()
    shapes = {"wide": (8, 20), "tall": (20, 8), "several": (3, 6, 10), "row": (1, 5)}
    inputs = {f"{name}.{number}.gradient": draw(*s) for name, s in shapes.items() for number in range(1, UPDATES + 1)}
    inputs |= {f"{name}.0": draw(*s) for name, s in shapes.items()}
    params = golden.draw_params(golden.llama_shapes(options.CONFIG), generator)
    batches = [golden.draw_batch(options.CONFIG["vocab_size"], 3, 13, generator, True, 2 + 8 * i) for i in range(10)]
    tokens, targets = (torch.stack(x) for x in zip(*batches))

    def compute(dtype):
        out = {}
        for name in shapes:
            grads = [inputs[f"{name}.{number}.gradient"].to(dtype) for number in range(1, UPDATES + 1)]
            out[f"{name}.orthogonalized"] = zeropower(grads[0])
            for scale in (original, match_rms_adamw):
                found = ten_updates(inputs[f"{name}.0"].to(dtype).clone(), grads, scale)
                out |= {f"{name}.{scale.__name__}.{key}": x for key, x in found.items()}
        steps = ten_steps(golden.leaves(params, dtype), tokens, targets)
        return out | {f"steps.{key}": x for key, x in steps.items()}

    results = compute(torch.float64)
    golden.compare(compute(torch.float32), results)
    print("losses", [round(x, 4) for x in results["steps.losses"].tolist()])
    tensors = inputs | results | {f"param.{name}": x for name, x in params.items()}
    tensors |= {"steps.tokens": tokens, "steps.targets": targets}
    metadata = {
        "format_version": golden.VERSION,
        "made_by": f"muon.py with torch {torch.__version__}",
        "config": json.dumps(options.CONFIG),
        "z_loss": str(options.Z_LOSS),
    }
    golden.write(pathlib.Path(__file__).with_suffix(".safetensors"), tensors, metadata)


if __name__ == "__main__":
    main()
