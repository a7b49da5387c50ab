"""Writes models for llama.cpp: real ones in every respect, but tiny, and with random weights.

What such a model says is noise, unless it has learned chains: after each token of a chain the
next one is by far the likeliest. So a test decides what is said, and the engine still does all
that it does for any model: tokens, attention, sampling, grammars. The standard library only."""

import array
import random
import struct
import sys

END = "</s>"
SPACE = "\u2581"  # how a vocabulary of this kind writes it
# After the last token of a prompt by this template, ":", an answer begins.
TEMPLATE = ("{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")
SPECIAL = ["<unk>", "<s>", END]
UNKNOWN, CONTROL, NORMAL, BYTE = 2, 3, 1, 6
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
ALIGNMENT = 32
LEARNED = 24.0  # logits of what was learned, above the noise of about 1


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind, value):
    if kind == STRING:
        return _string(value)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def _pair(key, kind, value):
    return _string(key) + struct.pack("<I", kind) + _value(kind, value)


def _list(key, kind, values):
    packed = b"".join(_value(kind, value) for value in values)
    return _string(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + packed


class _Vocabulary:
    """Each byte is a token, so that every text can be read; words are what chains need."""

    def __init__(self, words):
        self.texts = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)] + [SPACE]
        self.texts += sorted({word.replace(" ", SPACE) for word in words if not self.has(word)} - {SPACE})
        self.kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(self.texts) - 259)
        self.numbers = {text: number for number, text in enumerate(self.texts)}

    @staticmethod
    def has(word):
        return word in SPECIAL or word.startswith("<0x") or (len(word) == 1 and word.isascii() and word != " ")

    def number(self, word):
        if len(word) == 1 and word.isascii() and word != " ":
            word = f"<0x{ord(word):02X}>"
        return self.numbers[word.replace(" ", SPACE)]


def _learn(output, embedding, vocabulary, chain, width):
    """The next token's row of the output looks for the one before it."""
    for before, after in zip(chain, chain[1:]):
        strength = LEARNED
        if isinstance(after, tuple):
            after, strength = after[0], LEARNED * after[1]
        if isinstance(before, tuple):
            before = before[0]
        row, known = vocabulary.number(after) * width, vocabulary.number(before) * width
        for at in range(width):
            output[row + at] += strength / width * embedding[known + at]


def _words(chain):
    return [word[0] if isinstance(word, tuple) else word for word in chain]


def write(path, chains=(), width=128, heads=4, blocks=2, feed_forward=128, context=4096, seed=1):
    """A chain is a list of tokens; (token, 0.5) is half as likely as the others. ":" begins an
    answer, END ends it. Where feed_forward is large it is all zeros: a hole in the file."""
    chance = random.Random(seed)
    vocabulary = _Vocabulary([word for chain in chains for word in _words(chain)])
    count = len(vocabulary.texts)

    def noise(size, deviation):
        return array.array("f", (chance.gauss(0, deviation) for _ in range(size)))

    embedding, output = noise(count * width, 1), noise(count * width, 0.1)
    for chain in chains:
        _learn(output, embedding, vocabulary, chain, width)
    ones = array.array("f", [1.0]) * width
    tensors = [("token_embd.weight", [width, count], embedding), ("output_norm.weight", [width], ones),
               ("output.weight", [width, count], output)]
    # All blocks are alike.
    block_tensors = [("attn_norm", [width], ones), ("ffn_norm", [width], ones)]
    block_tensors += [(name, [width, width], noise(width * width, 0.02))
                      for name in ("attn_q", "attn_k", "attn_v", "attn_output")]
    block_tensors += [(name, shape, noise(width * feed_forward, 0.02) if feed_forward <= 256 else None)
                      for name, shape in (("ffn_gate", [width, feed_forward]), ("ffn_up", [width, feed_forward]),
                                          ("ffn_down", [feed_forward, width]))]
    tensors += [(f"blk.{block}.{name}.weight", shape, content)
                for block in range(blocks) for name, shape, content in block_tensors]
    pairs = [
        _pair("general.architecture", STRING, "llama"),
        _pair("general.name", STRING, "tiny"),
        _pair("llama.context_length", UINT32, context),
        _pair("llama.embedding_length", UINT32, width),
        _pair("llama.block_count", UINT32, blocks),
        _pair("llama.feed_forward_length", UINT32, feed_forward),
        _pair("llama.attention.head_count", UINT32, heads),
        _pair("llama.attention.head_count_kv", UINT32, heads),
        _pair("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        _pair("llama.rope.dimension_count", UINT32, width // heads),
        _pair("tokenizer.ggml.model", STRING, "llama"),
        _list("tokenizer.ggml.tokens", STRING, vocabulary.texts),
        _list("tokenizer.ggml.scores", FLOAT32, [0.0] * count),
        _list("tokenizer.ggml.token_type", INT32, vocabulary.kinds),
        _pair("tokenizer.ggml.unknown_token_id", UINT32, 0),
        _pair("tokenizer.ggml.bos_token_id", UINT32, 1),
        _pair("tokenizer.ggml.eos_token_id", UINT32, 2),
        _pair("tokenizer.ggml.add_bos_token", BOOL, True),
        _pair("tokenizer.ggml.add_space_prefix", BOOL, False),
        _pair("tokenizer.chat_template", STRING, TEMPLATE),
    ]
    _write_file(path, pairs, tensors)


def _write_file(path, pairs, tensors):
    places, end = [], 0
    infos = b""
    for name, shape, _ in tensors:
        size = 4
        infos += _string(name) + struct.pack("<I", len(shape))
        for length in shape:
            infos += struct.pack("<Q", length)
            size *= length
        infos += struct.pack("<IQ", 0, end)  # 0: 32-bit floats
        places.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(pairs)) + b"".join(pairs) + infos
    head += bytes(-len(head) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(head)
        for place, (_, _, content) in zip(places, tensors):
            if content is not None:
                if sys.byteorder == "big":
                    content = array.array("f", content)
                    content.byteswap()
                file.seek(len(head) + place)
                file.write(content.tobytes())
        file.truncate(len(head) + end)
