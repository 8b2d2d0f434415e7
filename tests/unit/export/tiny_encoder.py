"""A BERT of two layers with random weights: small enough to export in a test, whole enough to be the real thing."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from mercato.checksum import hash_file
from mercato_export.weights import LocatedWeights, PinnedModel, locate_weights

NOUNS = ("pizza", "soap", "bread", "milk", "tea", "rice", "soup", "cheese", "cable", "chair")
ADJECTIVES = ("frozen", "baby", "fresh", "green", "small", "large", "spicy", "organic", "blue", "soft")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
VOCABULARY = {word: number for number, word in enumerate((*SPECIAL, *NOUNS, *ADJECTIVES))}
HIDDEN_SIZE = 64
MAX_TOKENS = 16
POSITIONS = 32

TINY = PinnedModel(
    repository="tests/tiny", revision="0", sha256="", wheels=(("tiny", "tiny_absent", ""),), licence="MIT"
)


def make_weights(folder: Path) -> LocatedWeights:
    """Write config, weights and tokenizer into a folder, always the same."""
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=HIDDEN_SIZE,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=POSITIONS,
    )
    torch.manual_seed(7)
    model = BertModel(config)
    for parameter in model.parameters():
        # far from the tiny initial values, so that attention and biases matter
        torch.nn.init.normal_(parameter, std=0.3) if parameter.dim() > 1 else parameter.data.add_(0.1)
    model.save_pretrained(folder)
    make_tokenizer().save(str(folder / "tokenizer.json"))
    return locate_weights(TINY, folder=folder, sha256=hash_file(folder / "model.safetensors"))


def make_tokenizer() -> Tokenizer:
    """Return a lower-casing tokenizer of whole words."""
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def make_texts() -> list[str]:
    """Return 100 texts of 1 to 10 words."""
    return [
        " ".join([adjective, *NOUNS[start : start + start]][: 1 + start + position % 2])
        for start, _ in enumerate(NOUNS)
        for position, adjective in enumerate(ADJECTIVES)
    ]
