"""AdamW alone: three updates of a matrix, which decays, and of a vector, which does not. Makes adamw.safetensors."""

import torch

from golden import VERSION, write

SCALES = (1.0, -2.0, 0.5)  # what the gradients below are multiplied by, update by update

matrix = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64, requires_grad=True)
vector = torch.tensor([0.25, -0.75], dtype=torch.float64, requires_grad=True)
# Held exactly by float32, as those that the test reads.
gradients = {
    "matrix": torch.tensor([[0.1, -0.2], [0.3, 0.0]]).double(),
    "vector": torch.tensor([-0.5, 1.5]).double(),
}
groups = [{"params": [matrix], "weight_decay": 0.1}, {"params": [vector], "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-8)

tensors = {f"{name}.gradient": gradient for name, gradient in gradients.items()}
tensors |= {"scales": torch.tensor(SCALES), "matrix.0": matrix.detach().clone(), "vector.0": vector.detach().clone()}
for number, scale in enumerate(SCALES, start=1):
    for name, parameter in (("matrix", matrix), ("vector", vector)):
        parameter.grad = gradients[name] * scale
    optimizer.step()
    for name, parameter in (("matrix", matrix), ("vector", vector)):
        state = optimizer.state[parameter]
        tensors[f"{name}.{number}"] = parameter.detach().clone()
        tensors[f"{name}.first.{number}"] = state["exp_avg"].clone()
        tensors[f"{name}.second.{number}"] = state["exp_avg_sq"].clone()

write("adamw.safetensors", tensors, {"format_version": VERSION, "made_by": f"adamw.py with torch {torch.__version__}"})
