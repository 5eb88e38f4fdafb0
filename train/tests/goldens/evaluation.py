"""evaluation/: a small model with a tokenizer and a chat template, a text and rows of tasks, and what transformers and
lm-evaluation-harness make of them.

    pip install torch transformers lm_eval        # 2.15, 5.24, 0.4.13
    python3 evaluation.py

`expected.json` has
- `windows`: for each `context` and `stride` the summed negative log-likelihood and the tokens of each window of text.txt, by the recipe
  of transformers' page "Perplexity of fixed-length models", and `recipe`, the mean that its last lines make of them (they weigh a window
  by one token less than it has, but for the first);
- `tasks`: of each row of hellaswag.jsonl, arc.jsonl and piqa.jsonl the log-likelihoods of its continuations, and the metrics, by
  lm-evaluation-harness' own tasks over the local files;
- `chat`: the text of a chat by the template, and the greedy answers.
"""

import json
import pathlib
import tempfile

import torch
import transformers as hf
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "evaluation"
CONTEXT = 128
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe brief.<|im_end|>\n' }}"
    "{% endif %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TASKS = {
    "hellaswag": dict(
        process_docs="!function utils.process_docs", doc_to_text="{{query}}", doc_to_target="{{label}}", doc_to_choice="choices"
    ),
    "arc": dict(
        doc_to_text="Question: {{question}}\nAnswer:",
        doc_to_target="{{choices.label.index(answerKey)}}",
        doc_to_choice="{{choices.text}}",
    ),
    "piqa": dict(doc_to_text="Question: {{goal}}\nAnswer:", doc_to_target="label", doc_to_choice="{{[sol1, sol2]}}"),
}
CHAT = ["What is a kitten?", "And a puppy?", "Thanks."]


def main():
    text = (FOLDER / "text.txt").read_text()
    tokenizer = make_tokenizer(text)
    model = make_model(tokenizer)
    expected = {
        "made_by": f"torch {torch.__version__}, transformers {hf.__version__}, lm_eval 0.4.13",
        "windows": [windows(model, tokenizer, text, *sizes) for sizes in [(CONTEXT, 64), (CONTEXT, 127), (64, 17), (50, 50)]],
        "tasks": tasks(tokenizer),
        "chat": chat(model, tokenizer),
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def make_tokenizer(text):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["<|begin|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(vocab_size=360, special_tokens=names, initial_alphabet=alphabet))
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", pair=None, special_tokens=[("<|begin|>", 0)])
    fast = hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|im_end|>", clean_up_tokenization_spaces=False
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(FOLDER)
    return fast


def make_model(tokenizer):
    torch.manual_seed(3)
    config = hf.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=3, pad_token_id=None,
    )  # fmt: skip
    model = hf.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * 0.3 + (1.0 if p.dim() == 1 else 0.0))
    model.save_pretrained(FOLDER)
    generation = {"bos_token_id": 0, "eos_token_id": [3, 1], "do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 40}
    (FOLDER / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    return hf.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float64).eval()


@torch.no_grad()
def windows(model, tokenizer, text, max_length, stride):
    """As in https://huggingface.co/docs/transformers/perplexity."""
    encodings = tokenizer(text, return_tensors="pt")
    seq_len = encodings.input_ids.size(1)
    nll_sum, n_tokens, prev_end_loc, found = 0.0, 0, 0, []
    for begin_loc in range(0, seq_len, stride):
        end_loc = min(begin_loc + max_length, seq_len)
        trg_len = end_loc - prev_end_loc
        input_ids = encodings.input_ids[:, begin_loc:end_loc]
        target_ids = input_ids.clone()
        target_ids[:, :-trg_len] = -100
        neg_log_likelihood = model(input_ids, labels=target_ids).loss.item()
        num_loss_tokens = (target_ids != -100).sum().item() - target_ids.size(0)
        nll_sum += neg_log_likelihood * num_loss_tokens
        n_tokens += num_loss_tokens
        # What the loss is the mean of: labels behind the first of the window.
        scored = (target_ids[:, 1:] != -100).sum().item()
        found.append([neg_log_likelihood * scored, scored])
        prev_end_loc = end_loc
        if end_loc == seq_len:
            break
    return {"context": max_length, "stride": stride, "tokens": seq_len, "found": found, "recipe": nll_sum / n_tokens}


def tasks(tokenizer):
    import lm_eval.tasks.hellaswag.utils as utils

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "utils.py").write_text(pathlib.Path(utils.__file__).read_text())
        for name, fields in TASKS.items():
            yaml = [f"task: local_{name}", "dataset_path: json", "output_type: multiple_choice", "test_split: test"]
            yaml += ["dataset_kwargs:", "  data_files:", f"    test: {FOLDER / name}.jsonl"]
            yaml += [f"{key}: {value if value.startswith('!') else json.dumps(value)}" for key, value in fields.items()]
            yaml += ["metric_list:"] + [f"  - metric: {metric}" for metric in ["acc", "acc_norm", "acc_bytes"]]
            (folder / f"{name}.yaml").write_text("\n".join(yaml) + "\n")
        model = HFLM(pretrained=str(FOLDER), dtype="float32", device="cpu", batch_size=4)
        names = [f"local_{name}" for name in TASKS]
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        results = simple_evaluate(model, tasks=names, task_manager=manager, log_samples=True, bootstrap_iters=1000)
    for name in TASKS:
        samples = sorted(results["samples"][f"local_{name}"], key=lambda sample: sample["doc_id"])
        rows = [
            {
                "context": sample["arguments"]["gen_args_0"]["arg_0"] if isinstance(sample["arguments"], dict) else sample["arguments"][0][0],
                "log_likelihoods": [float(response[0][0]) for response in sample["resps"]],
                "acc": sample["acc"], "acc_norm": sample["acc_norm"], "acc_bytes": sample["acc_bytes"],
            }
            for sample in samples
        ]  # fmt: skip
        metrics = {key.removesuffix(",none"): value for key, value in results["results"][f"local_{name}"].items() if "acc" in key}
        found[name] = {"rows": rows, "metrics": metrics}
    return found


@torch.no_grad()
def chat(model, tokenizer):
    messages, answers = [], []
    for line in CHAT:
        messages.append({"role": "user", "content": line})
        rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(rendered, add_special_tokens=False, return_tensors="pt").input_ids
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False, top_k=None, top_p=None, temperature=None)
        answer = tokenizer.decode(out[0, ids.size(1) :], skip_special_tokens=True)
        answers.append(answer)
        messages.append({"role": "assistant", "content": answer})
    return {"questions": CHAT, "answers": answers, "text": rendered}


if __name__ == "__main__":
    main()
