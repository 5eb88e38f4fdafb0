"""Made chat.json: chats in the formats of several families of models, as transformers renders, encodes and masks them.

    pip install transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6
    python3 chat.py

The templates are written here after the formats that the families' published ones write, with the means that those use. The
tokenizers are trained here on a few lines, with each family's splitting and special tokens. `text` and `prompted` are what
`apply_chat_template(tokenize=False)` gives without and with `add_generation_prompt`, `ids` what it gives with `tokenize=True`.
`trained` is the mask of `return_assistant_tokens_mask` for templates with generation blocks; for others it is computed here by
the rule that `hearth-data` documents, with the offsets of the tokenizer, which the Rust side is without.
"""

import datetime
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

VERSION = 1
TODAY = (2024, 7, 6)

CORPUS = [
    "system user assistant model: You are a helpful assistant. Be brief, answer what the user asks.",
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.\n\nHello! Hello there.\n",
    "It's 2024: they'll pay $12,345.67 for 1000 caf\u00e9s; he said \"don't\". <think>\nhm\n</think>\n\n",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u4e2d\u6587 \U0001f600 na\u00efve  two   spaces\n\n\n{\"name\": \"get_weather\"}",
] * 3

# Splitting of words.
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

CHATML = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

SMOLLM2 = """{% for message in messages %}
{% if loop.first and messages[0]['role'] != 'system' %}
{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
{%- endif %}
{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' -}}
{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
"""

SMOLLM3 = """{# What the assistant says stands in generation blocks. #}
{%- set thinks = enable_thinking if enable_thinking is defined else true -%}
{%- set mode = '/think' if thinks else '/no_think' -%}
{%- if messages[0].role == 'system' -%}
    {%- set system = messages[0].content -%}
    {%- if '/no_think' in system -%}
        {%- set mode = '/no_think' -%}
    {%- endif -%}
    {%- set system = system.replace('/no_think', '').replace('/think', '').rstrip() -%}
{%- else -%}
    {%- set system = '' -%}
{%- endif -%}
{{- '<|im_start|>system\n## Metadata\n\nToday Date: ' + strftime_now('%d %B %Y') + '\nReasoning Mode: ' ~ mode ~ '\n\n' -}}
{%- if system %}
    {{- system + '\n\n' -}}
{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else '' -%}
    {%- if message.role == 'user' -%}
        {{- '<|im_start|>user\n' + content + '<|im_end|>\n' -}}
    {%- elif message.role == 'assistant' -%}
        {{- '<|im_start|>assistant\n' -}}
        {% generation %}
        {%- if mode == '/think' -%}
            {{- content.lstrip('\n') + '<|im_end|>\n' -}}
        {%- else -%}
            {{- '<think>\n\n</think>\n' + content.lstrip('\n') + '<|im_end|>\n' -}}
        {%- endif -%}
        {% endgeneration %}
    {%- elif message.role == 'tool' -%}
        {{- '<|im_start|>user\n' + content + '<|im_end|>\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' if mode == '/think' else '<|im_start|>assistant\n<think>\n\n</think>\n' -}}
{%- endif -%}
"""

# A block that begins and ends within tokens.
INLINE = """{% for message in messages %}{{ message.role }}:
{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{% if loop.last %}{{ eos_token }}{% endif %}{% endgeneration %}{% else %}{{ message.content }}{% endif %}

{% endfor %}{% if add_generation_prompt %}assistant:{{ '\n' }}{% endif %}"""

LLAMA3_TEMPLATE = """{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""

LLAMA31 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%d %b %Y") if strftime_now is defined else "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\n\n" + system + "<|eot_id|>" }}
{#- The functions stand in the first user's message. #}
{%- if not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first = messages[0]['content'] | trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("There is no first user message to put the tools in!") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {{- 'Answer with {"name": function name, "parameters": its arguments}.\n\n' }}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
    {{- first + "<|eot_id|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("One tool call at a time!") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

TOOLS_OF_QWEN = """{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\nAnswer with <tool_call>\n{\\"name\\": name, \\"arguments\\": object}\n</tool_call><|im_end|>\n" }}
"""

TURNS_OF_TOOLS = """    {%- elif message.role == "tool" %}
        {%- if loop.first or messages[loop.index0 - 1].role != "tool" %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != "tool" %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""

QWEN25 = TOOLS_OF_QWEN + """{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for call in message.tool_calls %}
            {%- if call.function is defined %}
                {%- set call = call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' + call.name + '", "arguments": ' }}
            {{- call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
""" + TURNS_OF_TOOLS

QWEN3 = TOOLS_OF_QWEN + """{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- for call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}
                {{- '\n' }}
            {%- endif %}
            {%- if call.function %}
                {%- set call = call.function %}
            {%- endif %}
            {{- '<tool_call>\n{"name": "' }}
            {{- call.name }}
            {{- '", "arguments": ' }}
            {{- call.arguments if call.arguments is string else call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
""" + TURNS_OF_TOOLS

GEMMA2 = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""

# One that takes lists of parts, as Gemma 3's.
GEMMA3 = GEMMA2.replace(
    "message['content'] | trim + '<end_of_turn>\n' }}",
    "'' }}{% if message['content'] is string %}{{ message['content'] | trim }}{% elif message['content'] is iterable %}"
    "{% for item in message['content'] %}{% if item['type'] == 'text' %}{{ item['text'] | trim }}{% endif %}{% endfor %}"
    "{% else %}{{ raise_exception('Invalid content type') }}{% endif %}{{ '<end_of_turn>\n' }}",
)

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.first and system_message is defined %}
            {{- " [INST] " + system_message + "\n\n" + message["content"] + " [/INST]" }}
        {%- else %}
            {{- " [INST] " + message["content"] + " [/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported!") }}
    {%- endif %}
{%- endfor %}
"""

ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
"""

# It ends a chat with the end of a document, and its tokens take the white space behind them.
PHI3 = """{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{ '<|system|>\n' + message['content'] + '<|end|>\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '<|end|>\n' }}{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + '<|end|>\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"""


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **fields):
    return {"role": "assistant", "content": text, **fields}


def system(text):
    return {"role": "system", "content": text}


CALL = {
    "type": "function",
    "function": {"name": "get_weather", "arguments": {"where": "Rome's \"caf\u00e9\"", "days": [1, 2.5, 1e-7], "a": {}, "b": None}},
}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Gets the <weather> & more.",
        "parameters": {"type": "object", "properties": {"where": {"type": "string"}}, "required": []},
    },
}

CONVERSATIONS = {
    "question": [user("Hello!")],
    "answer": [user("Hello!"), assistant("Hello there.")],
    "system": [system("Be brief."), user("Hello!"), assistant("Hello there.")],
    "turns": [
        system(" You are a fox. "),
        user("What does\nthe dog say?\n\n"),
        assistant("  It does not mind. \n"),
        user("\u041f\u0440\u0438\u0432\u0435\u0442 \u4e2d\u6587 \U0001f600\U0001f600"),
        assistant("\n\nna\u00efve cafe\u0301 \U0001f600"),
        user("{{ messages }} {% if %} <b>&amp;</b>"),
        assistant("1000 \\n \"don't\"\t!"),
    ],
    "alternating": [user(" a "), assistant("\n b\n\n"), user("c"), assistant(" d"), user("e"), assistant("f  ")],
    "empty": [user(""), assistant("")],
    "empty first": [user("Hello!"), assistant(""), user("Hello?"), assistant("Hello.")],
    "unanswered": [user("Hello!"), assistant("Hello there."), user("And the dog?")],
    "greeting": [assistant("Hello!"), user("Hello."), assistant("What is it?")],
    "special": [user("<|im_end|></s><eos><|eot_id|>"), assistant("a<|im_end|>b</s><end_of_turn>c<|eot_id|> d")],
    "thinking": [
        user("Hello!"),
        assistant("<think>\nhm\n</think>\n\nHello there."),
        user("And the dog?"),
        assistant("<think>\nThe dog.\n</think>\n\nIt does not mind."),
    ],
    "reasoning": [user("Hello!"), assistant("Hello there.", reasoning_content="\nhm\n")],
    "parts": [user([{"type": "text", "text": "Hello! "}, {"type": "text", "text": "And the dog?"}]), assistant("It does not.")],
    "calls": [
        system("Be brief."),
        user("What is the weather?"),
        assistant("", tool_calls=[CALL]),
        {"role": "tool", "content": "12 \u00b0"},
        assistant("It is 12 \u00b0."),
        user("Hello!"),
        assistant("Hello there."),
    ],
}
# What other families' templates are not for.
ONLY = {"parts": ["gemma3"], "calls": ["llama31", "qwen25", "qwen3"]}


def byte_level(pre_tokenizer, specials, size, normalizer=None, post_processor=None, added=()):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in added])
    tokenizer.post_processor = post_processor or processors.ByteLevel(trim_offsets=False)
    return tokenizer


def split(pattern):
    bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), bytes_alone])


def sentencepiece(specials, normalizer, pre_tokenizer):
    spelled = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", "\u2581")
    tokenizer.normalizer = spaces
    trainer = trainers.BpeTrainer(
        vocab_size=470, special_tokens=[*specials, *spelled], limit_alphabet=60, show_progress=False, max_token_length=8
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    # The bytes are no special tokens but the model's.
    parts = json.loads(tokenizer.to_str())
    parts["added_tokens"] = parts["added_tokens"][: len(specials)]
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    fuse = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(fuse)
    return tokenizer


IM = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
BEGIN_OF_LLAMA = processors.TemplateProcessing("<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)])

TOKENIZERS = {
    "gpt2": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), IM, 330),
    "llama3": byte_level(
        split(LLAMA3),
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        340,
        post_processor=processors.Sequence([processors.ByteLevel(trim_offsets=True), BEGIN_OF_LLAMA]),
    ),
    "qwen": byte_level(split(QWEN), IM, 340, normalizers.NFC(), added=["<think>", "</think>", "<tool_call>", "</tool_call>"]),
    "gemma": sentencepiece(
        ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"],
        normalizers.Replace(" ", "\u2581"),
        pre_tokenizers.Split(" ", "merged_with_previous"),
    ),
    "mistral": sentencepiece(
        ["<unk>", "<s>", "</s>"], None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    ),
}

TOKENIZERS["phi"] = Tokenizer.from_str(TOKENIZERS["mistral"].to_str())
PHI_SPECIALS = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
TOKENIZERS["phi"].add_special_tokens([AddedToken(token, rstrip=True, normalized=False) for token in PHI_SPECIALS])

IM_TOKENS = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
LLAMA_TOKENS = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
GEMMA_TOKENS = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}
MISTRAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
FAMILIES = {
    "chatml": (CHATML, "gpt2", IM_TOKENS),
    "smollm2": (SMOLLM2, "gpt2", IM_TOKENS),
    "smollm3": (SMOLLM3, "llama3", LLAMA_TOKENS),
    "inline": (INLINE, "gpt2", IM_TOKENS),
    "llama3": (LLAMA3_TEMPLATE, "llama3", LLAMA_TOKENS),
    "llama31": (LLAMA31, "llama3", LLAMA_TOKENS),
    "qwen25": (QWEN25, "qwen", IM_TOKENS),
    "qwen3": (QWEN3, "qwen", IM_TOKENS),
    "gemma2": (GEMMA2, "gemma", GEMMA_TOKENS),
    "gemma3": (GEMMA3, "gemma", GEMMA_TOKENS),
    "mistral": (MISTRAL, "mistral", MISTRAL_TOKENS),
    "zephyr": (ZEPHYR, "mistral", MISTRAL_TOKENS),
    "phi3": (PHI3, "phi", {"bos_token": "<s>", "eos_token": AddedToken("<|endoftext|>", rstrip=True), "unk_token": "<unk>"}),
}


def by_prefixes(render, tokenizer, messages, text):
    """The mask of the tokens that begin in a turn that the template leaves as it wrote it; none where there is no turn."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    trained = [0] * len(ids)
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        try:
            prompt, until = render(messages[:at], True), render(messages[: at + 1], False)
        except Exception:
            continue
        if not text.startswith(until):
            until = until.removesuffix(tokenizer.eos_token)
        if not (text.startswith(prompt) and text.startswith(until) and len(prompt) <= len(until)):
            continue
        start, end = len(prompt), len(until)
        said = start + len(text[start:end].rstrip())
        begun = [index for index, (begin, _) in enumerate(offsets) if begin < said]
        if said > start and begun and ids[begun[-1]] in tokenizer.all_special_ids:
            end = said
        for index, (begin, _) in enumerate(offsets):
            trained[index] |= start <= begin < end
    return trained if any(trained) else None


def case(tokenizer, name, messages):
    tools = [TOOL] if name == "calls" else None

    def render(messages, prompted):
        if not messages:
            # transformers itself refuses to render none.
            tokens = tokenizer.special_tokens_map
            template = tokenizer.chat_template
            return chat_template_utils.render_jinja_template(
                [[]], tools=tools, chat_template=template, add_generation_prompt=prompted, **tokens
            )[0][0]
        return tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=prompted)

    try:
        text = render(messages, False)
    except Exception as error:
        return {"conversation": name, "refused": str(error)}
    has_blocks = "{% generation %}" in tokenizer.chat_template
    encoded = tokenizer.apply_chat_template(messages, tools=tools, return_assistant_tokens_mask=has_blocks, return_dict=True)
    trained = encoded["assistant_masks"] if has_blocks else by_prefixes(render, tokenizer, messages, text)
    trained = trained if trained and any(trained) else None
    return {
        "conversation": name,
        "text": text,
        "prompted": render(messages, True),
        "ids": encoded["input_ids"],
        "trained": trained and "".join(map(str, trained)),
    }


class Today(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(*TODAY)


def main():
    chat_template_utils.datetime = Today
    families = []
    for family, (template, name, tokens) in FAMILIES.items():
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=TOKENIZERS[name], **tokens)
        added = TOKENIZERS[name].get_added_tokens_decoder().values()
        tokenizer.add_special_tokens({"extra_special_tokens": [token for token in added if token.special]})
        tokenizer.chat_template = template
        chats = [(name, chat) for name, chat in CONVERSATIONS.items() if family in ONLY.get(name, [family])]
        cases = [case(tokenizer, name, chat) for name, chat in chats]
        families.append({"name": family, "template": template, "tokenizer": name, "tokens": {key: str(token) for key, token in tokens.items()}, "cases": cases})
    tokenizers = {name: json.loads(tokenizer.to_str()) for name, tokenizer in TOKENIZERS.items()}
    goldens = {"version": VERSION, "tokenizers": tokenizers, "conversations": CONVERSATIONS, "tools": [TOOL], "families": families}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(goldens, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
