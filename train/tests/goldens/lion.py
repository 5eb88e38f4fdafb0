"""Lion: three updates of a matrix, which decays, and of a vector, which does not. Makes lion.safetensors.

The update is that of github.com/google/automl (lion/lion_pytorch.py), in float64.
"""

import torch

from golden import VERSION, write

SCALES = (1.0, -2.0, 0.5)  # what the gradients below are multiplied by, update by update
RATE, BETAS, DECAY = 0.01, (0.9, 0.95), 0.1

parameters = {
    "matrix": torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64),
    "vector": torch.tensor([0.25, -0.75], dtype=torch.float64),
}
# Held exactly by float32, as those that the test reads.
gradients = {
    "matrix": torch.tensor([[0.1, -0.2], [0.3, 0.0]]).double(),
    "vector": torch.tensor([-0.5, 1.5]).double(),
}

tensors = {f"{name}.gradient": gradient for name, gradient in gradients.items()}
tensors |= {"scales": torch.tensor(SCALES)} | {f"{name}.0": p.clone() for name, p in parameters.items()}
state = {name: torch.zeros_like(p) for name, p in parameters.items()}
for number, scale in enumerate(SCALES, start=1):
    for name, p in parameters.items():
        grad, exp_avg, (beta1, beta2) = gradients[name] * scale, state[name], BETAS
        p.mul_(1 - RATE * (DECAY if p.ndim >= 2 else 0.0))
        update = exp_avg * beta1 + grad * (1 - beta1)
        p.add_(update.sign_(), alpha=-RATE)
        exp_avg.mul_(beta2).add_(grad, alpha=1 - beta2)
        tensors |= {f"{name}.{number}": p.clone(), f"{name}.momentum.{number}": exp_avg.clone()}

write("lion.safetensors", tensors, {"format_version": VERSION, "made_by": f"lion.py with torch {torch.__version__}"})
