"""Writes tokenizer.parity.json: encodings by Hugging Face's Rust tokenizers (pip install tokenizers==0.23.2), the code that
BERT checkpoints were made with. Run: python src/model/tokenizer.parity.py"""

import json
import pathlib
import random

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "The café was not bad, but the waiter's naïve jokes weren't funny at all.",
    "Unbelievable: 12,345 people watched the re-released film in 1999!",
    "low low low low low lower lower newest newest newest newest newest newest widest widest widest",
    "東京 is written 東京; Zürich & Köln aren't.",
]
TRICKY = [
    "", " ", "Hello, World!", "Café naïve Ünïcödé", "日本語テスト 東京", "\u0000\u0001bad\ufffdchars\u200b here",
    "don't stop—can't… won't", "a" * 150, "lo" * 50, "low" * 33, "[CLS] low [SEP] newest [MASK]s", "\t\n\r tabs",
    "\u3000wide\u00a0nbsp", "e\u0301 combining \u0301", "😀 emoji 👩‍👩‍👧", "12,345.67$ 50% #tag @me", "한국어 텍스트",
    "\ue000 private", "\u2028line\u2029para", "`^~<>|$+=", "İstanbul ß ﬁ", "#### ##a __proto__ constructor",
    "low\U00020000newest low\U0002b820low \U0002f800low",
]


def tokenizer():
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=140, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def case(made, text, pair, most):
    if most is None:
        made.no_truncation()
    else:
        made.enable_truncation(most)
    encoding = made.encode(text) if pair is None else made.encode(text, pair)
    join = lambda numbers: " ".join(map(str, numbers))
    return {"text": text, "pair": pair, "maxTokens": most, "ids": join(encoding.ids), "types": join(encoding.type_ids)}


made = tokenizer()
words = " ".join(TEXTS).split()
draw = random.Random(0)
sample = lambda most: " ".join(draw.choice(words) for _ in range(draw.randint(0, most)))
cases = [case(made, text, None, None) for text in TRICKY]
cases += [case(made, sample(12), None, draw.randint(2, 24)) for _ in range(20)]
# Odd lengths leave an even number after the three special tokens: which text an odd token goes to depends on the version.
cases += [case(made, sample(8), sample(8), 2 * draw.randint(1, 12) + 1) for _ in range(60)]
vocabulary = [token for token, _ in sorted(made.get_vocab().items(), key=lambda entry: entry[1])]
out = pathlib.Path(__file__).with_suffix(".json")
out.write_text(json.dumps({"vocabulary": vocabulary, "cases": cases}, ensure_ascii=True, indent=2) + "\n")
