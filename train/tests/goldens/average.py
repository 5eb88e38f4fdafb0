"""Moving averages of what AdamW makes: ten updates of a matrix, which decays, and of a vector. Makes average.safetensors.

The average is that of github.com/fadel/pytorch_ema (torch_ema 0.3, with `use_num_updates`), in float64.
"""

import torch

from golden import VERSION, write

UPDATES, DECAY = 10, 0.5  # the warm-up of the decay passes 0.5 at the eighth update

generator = torch.Generator().manual_seed(5)
# Held exactly by float32, as those that the test reads.
draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64).float().double()
matrix, vector = draw(3, 4).requires_grad_(), draw(5).requires_grad_()
parameters = {"matrix": matrix, "vector": vector}
groups = [{"params": [matrix], "weight_decay": 0.1}, {"params": [vector], "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-8)

shadow = {name: p.detach().clone() for name, p in parameters.items()}
tensors = {f"{name}.0": p.detach().clone() for name, p in parameters.items()}
for number in range(1, UPDATES + 1):
    for name, p in parameters.items():
        p.grad = draw(*p.shape)
        tensors[f"{name}.{number}.gradient"] = p.grad.clone()
    optimizer.step()
    decay = min(DECAY, (1 + number) / (10 + number))
    for name, p in parameters.items():
        shadow[name].sub_((1.0 - decay) * (shadow[name] - p.detach()))
        tensors |= {f"{name}.{number}": p.detach().clone(), f"{name}.average.{number}": shadow[name].clone()}

metadata = {"format_version": VERSION, "made_by": f"average.py with torch {torch.__version__}", "decay": str(DECAY)}
write("average.safetensors", tensors, metadata)
