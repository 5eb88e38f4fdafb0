"""What the golden generators share: drawing parameters and batches, the loss, ten AdamW steps, the file.

A generator gives `forward(params, tokens_bt) -> logits_btv`, where `params` maps Hearth's names to leaf
tensors in Hearth's layouts, so that autograd and the optimizer work in those layouts directly.

Legend: B batch, T time, C channels, H heads, K kv heads, D head width, F feed-forward, V vocabulary, L layers.
"""

import contextlib
import json

import numpy
import torch
import torch.nn.functional as F

VERSION = "1"
IGNORED = -1
STEPS = 10
LEARNING_RATE, BETAS, EPS, WEIGHT_DECAY, MAX_NORM = 1e-2, (0.9, 0.95), 1e-8, 0.1, 1.0
# Largest difference of a float32 run from the float64 one, over the tensor's largest value. A gradient that is
# zero but for rounding (GPT-2's key bias) has no scale of its own.
FLOAT32_BOUND, SMALLEST_SCALE = 5e-6, 1e-2
# float64 values below this are rounding: written as zero, so that the file does not depend on the BLAS.
ROUNDING = 1e-14

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def llama_shapes(c):
    """Hearth's parameters of a Llama-like model, by name, for the configuration `c`."""
    width, query, kv, ffn = c["width"], c["heads"] * c["head_width"], c["kv_heads"] * c["head_width"], c["ffn_width"]
    shapes = {"embedding.tokens": (c["vocab_size"], width)}
    for i in range(c["layers"]):
        block = f"blocks.{i}"
        shapes |= {
            f"{block}.attention_norm.gamma": (width,),
            f"{block}.attention.query.weight": (width, query),
            f"{block}.attention.key.weight": (width, kv),
            f"{block}.attention.value.weight": (width, kv),
            f"{block}.attention.output.weight": (query, width),
        }
        if c["qk_norm"]:
            shapes |= {f"{block}.attention.{n}_norm.gamma": (c["head_width"],) for n in ("query", "key")}
        shapes |= {
            f"{block}.mlp_norm.gamma": (width,),
            f"{block}.mlp.gate.weight": (width, ffn),
            f"{block}.mlp.up.weight": (width, ffn),
            f"{block}.mlp.down.weight": (ffn, width),
        }
    shapes["head.norm.gamma"] = (width,)
    if not c["tied"]:
        shapes["head.output"] = (c["vocab_size"], width)
    return shapes


def draw_params(shapes, generator):
    """Random float64 parameters that float32 holds exactly: matrices 0.2 N, gains 1 + 0.1 N, biases 0.1 N."""
    params = {}
    for name, shape in shapes.items():
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        x = 0.2 * x if len(shape) >= 2 else 0.1 * x
        x = x + 1.0 if name.endswith(".gamma") else x
        params[name] = x.float().double()
    return params


def draw_batch(vocab, batch, time, generator, ignore, skew=2):
    """Tokens and their successors, both int64 [B, T]; with `ignore`, about a fifth of the targets and the
    first half of row 1 are IGNORED. The greater `skew`, the oftener small ids come."""
    uniform = torch.rand((batch, time + 1), generator=generator, dtype=torch.float64)
    ids = (vocab * uniform**skew).long()
    tokens, targets = ids[:, :-1], ids[:, 1:].clone()
    if ignore:
        targets[torch.rand((batch, time), generator=generator) < 0.2] = IGNORED
        targets[1, : time // 2] = IGNORED
    return tokens, targets


def loss_of(logits_btv, targets_bt, z_loss):
    """Mean over counted targets of the negative log likelihood, plus z_loss * logsumexp(logits)^2."""
    logits, targets = logits_btv.flatten(0, 1), targets_bt.flatten()
    loss = F.cross_entropy(logits, targets, ignore_index=IGNORED)
    if z_loss:
        loss = loss + z_loss * torch.logsumexp(logits, dim=-1)[targets != IGNORED].square().mean()
    return loss


def leaves(params, dtype):
    return {name: x.to(dtype).clone().requires_grad_() for name, x in params.items()}


def one_case(forward, params, tokens, targets, z_loss):
    logits = forward(params, tokens)
    loss = loss_of(logits, targets, z_loss)
    grads = torch.autograd.grad(loss, list(params.values()))
    case = {"logits": logits, "loss": loss.reshape(1)}
    return case | {f"grad.{name}": g for name, g in zip(params, grads)}


def ten_steps(forward, params, tokens, targets, z_loss):
    """Losses and gradient norms [10], each from before its update. Changes `params`."""
    decayed = [p for p in params.values() if p.ndim >= 2]
    others = [p for p in params.values() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS, eps=EPS)
    losses, norms = [], []
    for tokens_bt, targets_bt in zip(tokens, targets):
        optimizer.zero_grad()
        loss = loss_of(forward(params, tokens_bt), targets_bt, z_loss)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(params.values(), MAX_NORM))
        losses.append(loss)
        optimizer.step()
    return {"losses": torch.stack(losses), "grad_norms": torch.stack(norms)}


def make(path, config, shapes, forward, made_by, seed, z_loss=0.0, exact=contextlib.nullcontext):
    """Writes the golden file. `exact()` is entered for the float64 run; the float32 run only checks it."""
    generator = torch.Generator().manual_seed(seed)
    params = draw_params(shapes, generator)
    vocab = config["vocab_size"]
    batches = {"main": draw_batch(vocab, 3, 13, generator, True), "single": draw_batch(vocab, 2, 1, generator, False)}
    # Ever easier batches: the first norms are above MAX_NORM and are clipped, the last ones are not.
    ten = [draw_batch(vocab, 3, 13, generator, True, skew=2 + 8 * step) for step in range(STEPS)]
    batches["steps"] = tuple(torch.stack(x) for x in zip(*ten))

    def compute(dtype):
        out = {}
        for case, (tokens, targets) in batches.items():
            run = ten_steps if case == "steps" else one_case
            result = run(forward, leaves(params, dtype), tokens, targets, z_loss)
            out |= {f"{case}.{key}": x.detach() for key, x in result.items()}
        return out

    with exact():
        results = compute(torch.float64)
    assert all(x.dtype == torch.float64 for x in results.values())
    results = {name: x.where(x.abs() > ROUNDING, torch.zeros_like(x)) for name, x in results.items()}
    compare(compute(torch.float32), results)

    tensors = {f"param.{name}": x for name, x in params.items()} | results
    for case, (tokens, targets) in batches.items():
        tensors |= {f"{case}.tokens": tokens, f"{case}.targets": targets}
    metadata = {
        "format_version": VERSION,
        "made_by": f"torch {torch.__version__}" + made_by,
        "config": json.dumps(config),
        "z_loss": str(z_loss),
    }
    write(path, tensors, metadata)
    print("losses", [round(x, 4) for x in results["steps.losses"].tolist()])
    print("norms ", [round(x, 4) for x in results["steps.grad_norms"].tolist()])


def compare(single, double):
    """Prints how far float32 is from float64, the worst tensor of each kind, and refuses more than the bound."""
    worst = {}
    for name, expected in double.items():
        scale = max(expected.abs().max().item(), SMALLEST_SCALE)
        error = (single[name].double() - expected).abs().max().item() / scale
        case, kind = name.split(".")[:2]
        worst[case, kind] = max(worst.get((case, kind), (0.0, "")), (error, name))
    for error, name in worst.values():
        print(f"float32 against float64: {error:.1e}  {name}")
        assert error < FLOAT32_BOUND, name


def write(path, tensors, metadata):
    """A safetensors file, floats as F32 and ids as I32. By hand: the library's order of metadata is random."""
    header, chunks, offset = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        kind, dtype = ("F32", "<f4") if tensors[name].is_floating_point() else ("I32", "<i4")
        data = numpy.ascontiguousarray(tensors[name].numpy().astype(dtype)).tobytes()
        offsets = [offset, offset + len(data)]
        header[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": offsets}
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(chunks))
