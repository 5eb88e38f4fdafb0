"""Results and gradients of every operation in PyTorch, double precision: `python operations.py operations.safetensors`.

Inputs are a formula that main.rs has too, with values that f16 holds exactly. Of a large tensor every so many values are
kept. Made once with torch 2.15; not run by the tests.
"""
import math
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

SAMPLES = 600
found = {}


def wave(shape, salt):
    n = math.prod(shape)
    at = torch.arange(n, dtype=torch.int64)
    return (((at * 7919 + salt * 389) % 1021 - 510).double() / 512).reshape(shape)


def keep(name, tensor):
    flat = tensor.detach().reshape(-1)
    stride = max(1, flat.numel() // SAMPLES)
    found[name] = flat[::stride].float().contiguous()


def case(name, operation, **inputs):
    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    y = operation(**leaves)
    keep(f"{name}/y", y)
    y.backward(wave(y.shape, 9))
    for key, leaf in leaves.items():
        keep(f"{name}/{key}", leaf.grad)


for rows, width in [(1, 64), (7, 80), (257, 32), (5, 1030)]:
    x, gamma, beta = wave((rows, width), 1), wave((width,), 2), wave((width,), 3)
    rms = lambda x, gamma: F.rms_norm(x, (width,), gamma, 1e-5)
    case(f"rms/{rows}x{width}", rms, x=x, gamma=gamma)
    layer = lambda x, gamma, beta: F.layer_norm(x, (width,), gamma, beta, 1e-5)
    case(f"layer/{rows}x{width}", layer, x=x, gamma=gamma, beta=beta)

for rows, width in [(1, 3), (257, 7)]:
    x, up = 4 * wave((rows, width), 1), wave((rows, width), 2)
    case(f"gelu/{rows}x{width}", lambda x: F.gelu(x, approximate="tanh"), x=x)
    case(f"swiglu/{rows}x{width}", lambda x, up: F.silu(x) * up, x=x, up=up)


def rope(x, interleaved):
    b, t, h, d = x.shape
    angles = torch.outer(torch.arange(t).double(), 10000 ** (-torch.arange(0, d, 2).double() / d))
    turn = torch.polar(torch.ones_like(angles), angles)[None, :, None, :]
    pairs = x.reshape(b, t, h, d // 2, 2) if interleaved else x.reshape(b, t, h, 2, d // 2).transpose(3, 4)
    turned = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * turn)
    return (turned if interleaved else turned.transpose(3, 4)).reshape(b, t, h, d)


for t, h, d in [(1, 1, 32), (7, 3, 64), (257, 1, 80), (33, 2, 128)]:
    for interleaved in [False, True]:
        layout = "interleaved" if interleaved else "halves"
        case(f"rope/{layout}-{t}x{h}x{d}", lambda x: rope(x, interleaved), x=wave((2, t, h, d), 1))

ATTENTION = [  # T, S, H, K, D, window, documents, softcap
    (1, 1, 1, 1, 32, 0, False, 0),
    (7, 7, 1, 1, 64, 0, False, 0),
    (257, 257, 4, 2, 32, 0, False, 0),
    (70, 70, 1, 1, 80, 5, False, 0),
    (40, 40, 2, 2, 128, 0, True, 0),
    (33, 33, 4, 1, 64, 0, False, 20),
    (3, 40, 2, 1, 64, 30, True, 5),
]


def attention(q, k, v, window, documents, softcap):
    (b, t, h, d), (_, s, kv, _) = q.shape, k.shape
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    k, v = k.repeat_interleave(h // kv, 1), v.repeat_interleave(h // kv, 1)
    query, key = torch.arange(s - t, s)[:, None], torch.arange(s)[None, :]
    seen = key <= query
    if window:
        seen = seen & (key > query - window)
    if documents:
        seen = seen & (query // 11 == key // 11)
    if not softcap:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2)
    scores = softcap * torch.tanh(q @ k.transpose(2, 3) / math.sqrt(d) / softcap)
    return (scores.masked_fill(~seen, -math.inf).softmax(-1) @ v).transpose(1, 2)


for t, s, h, kv, d, window, documents, softcap in ATTENTION:
    q, k, v = wave((2, t, h, d), 1), wave((2, s, kv, d), 2), wave((2, s, kv, d), 3)
    name = f"attention/{t}x{s}x{h}x{kv}x{d}"
    case(name, lambda q, k, v: attention(q, k, v, window, documents, softcap), q=q, k=k, v=v)


def cross_entropy(logits, targets, softcap, z_loss):
    if softcap:
        logits = softcap * torch.tanh(logits / softcap)
    z = (torch.logsumexp(logits, -1) ** 2 * (targets >= 0)).sum()
    return (F.cross_entropy(logits, targets, ignore_index=-1, reduction="sum") + z_loss * z).reshape(1)


for rows, columns, softcap, z_loss in [(1, 5, 0, 0.0), (7, 1500, 3, 0.5), (257, 65, 0, 0.25)]:
    targets = torch.arange(rows) * 31 % columns
    targets[rows // 2 :: 5] = -1
    logits = (4 * wave((rows, columns), 1)).requires_grad_()
    loss = cross_entropy(logits, targets, softcap, z_loss)
    loss.backward()
    keep(f"cross-entropy/{rows}x{columns}/loss", loss)
    keep(f"cross-entropy/{rows}x{columns}/logits", logits.grad)

for t, rows, width in [(1, 3, 32), (257, 11, 7)]:
    ids = torch.arange(2 * t).reshape(2, t) ** 2 % rows
    case(f"embedding/{t}x{rows}x{width}", lambda table: F.embedding(ids, table), table=wave((rows, width), 1))

tensors = [wave(shape, salt) for salt, shape in enumerate([(1, 3), (257, 7), (300, 1030)])]
keep("norm", torch.nn.utils.get_total_norm(tensors).reshape(1))

save_file(found, sys.argv[1])
