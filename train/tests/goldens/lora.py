"""lora/NAME: adapters beside the models in pretrained/, as PEFT writes them, and what PEFT makes of them.

    pip install torch transformers peft        # 2.15, 5.24 and 0.21
    python3 lora.py

Of each: `adapter_config.json` and `adapter_model.safetensors` as a user has them, with random values; `golden.safetensors` with `tokens`
and `targets` [11, 2, 13] (-1 is ignored), `logits` and `loss` of the first, and the `losses` and `norms` of ten steps of AdamW over the
others, computed in float64 from the values as stored. `gradients` and `after` are adapters whose values are the gradients of `loss`,
and those after the ten steps.
"""

import json
import pathlib
import shutil

import peft
import torch
import transformers as hf
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent

# Name: the model, what PEFT is told, and how it says which projections.
ADAPTERS = {
    "qwen2": ("qwen2", dict(r=4, lora_alpha=8, target_modules="all-linear")),
    "llama": ("llama_linear", dict(r=3, lora_alpha=4, target_modules=["q_proj", "v_proj"], use_rslora=True)),
    "gemma": ("gemma2", dict(r=2, lora_alpha=2, target_modules=["o_proj", "gate_proj", "up_proj", "down_proj"])),
    "olmo": ("olmo2", dict(r=5, lora_alpha=16, target_modules=["k_proj", "down_proj"])),
}
STEPS, RATE, DECAY, CLIP = 10, 2e-2, 0.1, 1.0


def main():
    for name, (base, options) in ADAPTERS.items():
        torch.manual_seed(sum(name.encode()))
        folder = FOLDER / "lora" / name
        shutil.rmtree(folder, ignore_errors=True)
        config = peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, init_lora_weights=False, **options)
        model = peft.get_peft_model(load(base), config)
        with torch.no_grad():
            for key, p in model.named_parameters():
                if "lora_" in key:
                    p.copy_(torch.randn_like(p) * 0.2)
        model.float().save_pretrained(folder)
        # Read again, as it was stored.
        model = peft.PeftModel.from_pretrained(load(base), folder, is_trainable=True).double()
        golden(folder, model)
        (folder / "README.md").unlink(missing_ok=True)
        path = folder / "adapter_config.json"
        fields = json.loads(path.read_text()) | {"base_model_name_or_path": base}
        path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")
        print(name, sum(file.stat().st_size for file in folder.glob("**/*")))


def load(base):
    model = hf.AutoModelForCausalLM.from_pretrained(FOLDER / "pretrained" / base, dtype=torch.float64, attn_implementation="eager")
    return model.eval()


def golden(folder, model):
    tokens, targets = torch.randint(0, 40, (2, 1 + STEPS, 2, 13))
    targets[..., -3:] = -100
    model.eval()
    logits = model(input_ids=tokens[0]).logits
    first = loss_of(model, tokens[0], targets[0])
    first.backward()
    tensors = {"logits": logits.detach().float(), "loss": first.detach().float().view(1), "tokens": tokens.to(torch.int32)}
    tensors["targets"] = targets.masked_fill(targets < 0, -1).to(torch.int32)
    save(folder / "gradients", model, lambda p: p.grad)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, betas=(0.9, 0.95), eps=1e-8, weight_decay=DECAY)
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = loss_of(model, tokens[step], targets[step])
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(trained, CLIP).item())
        optimizer.step()
    tensors |= {"losses": torch.tensor(losses), "norms": torch.tensor(norms)}
    save(folder / "after", model, lambda p: p)
    versions = f"torch {torch.__version__}, transformers {hf.__version__}, peft {peft.__version__}"
    save_file(tensors, folder / "golden.safetensors", {"format_version": "1", "made_by": versions})


def loss_of(model, tokens, targets):
    return torch.nn.functional.cross_entropy(model(input_ids=tokens).logits.flatten(0, 1), targets.flatten())


def save(folder, model, value):
    """An adapter whose values are these of its parameters."""
    kept = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(value(p)) if name in kept else None
        state = peft.get_peft_model_state_dict(model)
        folder.mkdir(parents=True)
        save_file({name: tensor.float().contiguous() for name, tensor in state.items()}, folder / "adapter_model.safetensors", {"format": "pt"})
        for name, p in model.named_parameters():
            p.copy_(kept[name]) if name in kept else None


if __name__ == "__main__":
    main()
