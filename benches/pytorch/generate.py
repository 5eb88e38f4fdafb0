"""Times generation by Hugging Face transformers on the CPU, to hold Hearth against. Needs torch and transformers.

`generate.py benches/models/smollm2-135m.toml [--tokens 520] [--threads 2]`: random weights of that shape in float32, which
changes no time; one sequence, sampled, with the cache that transformers takes by default. Prints tokens a second, the prompt of
three tokens included, and the median time of the 21 tokens around positions 50 and 500.
"""

import argparse
import pathlib
import statistics
import time
import tomllib

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.generation.streamers import BaseStreamer


class Clock(BaseStreamer):
    """When each token came."""

    def __init__(self):
        self.times = []

    def put(self, value):
        self.times.append(time.perf_counter())

    def end(self):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=520)
    parser.add_argument("--threads", type=int, default=2)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    shape = tomllib.loads(o.model.read_text())["model"]
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=shape["vocab_size"], hidden_size=shape["width"], intermediate_size=shape["ffn_width"],
        num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"], num_key_value_heads=shape["kv_heads"],
        max_position_embeddings=2048, rope_theta=shape["rope_base"], tie_word_embeddings=shape["tied"],
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )).eval()
    prompt = torch.tensor([[1, 2, 3]])
    settings = {"do_sample": True, "temperature": 0.8, "top_k": 0}
    with torch.inference_mode():
        model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, **settings)
        clock = Clock()
        begun = time.perf_counter()
        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=o.tokens, min_new_tokens=o.tokens,
            streamer=clock, **settings,
        )
    times = clock.times[1:]  # the first is the prompt
    steps = [after - before for before, after in zip(times, times[1:])]
    rate = len(times) / (times[-1] - begun)
    at = {place: statistics.median(steps[place - 11:place + 10]) for place in (50, 500) if place + 10 <= len(steps)}
    print(f"{rate:.1f} tokens/s; " + ", ".join(f"{1e3 * t:.1f} ms at {place}" for place, t in at.items()))


if __name__ == "__main__":
    main()
