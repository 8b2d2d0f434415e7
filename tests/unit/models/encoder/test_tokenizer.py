"""Text to token ids."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mercato.errors import ModelError
from mercato.models.encoder.tokenizer import TextTokenizer
from tests.unit.export.tiny_encoder import VOCABULARY, make_tokenizer

CLS, SEP, UNKNOWN = VOCABULARY["[CLS]"], VOCABULARY["[SEP]"], VOCABULARY["[UNK]"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> TextTokenizer:
    file = tmp_path / "tokenizer.json"
    make_tokenizer().save(str(file))
    return TextTokenizer(file, max_tokens=6)


def test_shorter_texts_are_padded_on_the_right(tokenizer: TextTokenizer) -> None:
    ids, mask = tokenizer(["Frozen PIZZA", "soap"])
    frozen, pizza, soap = (VOCABULARY[word] for word in ("frozen", "pizza", "soap"))
    np.testing.assert_array_equal(ids, [[CLS, frozen, pizza, SEP], [CLS, soap, SEP, 0]])
    np.testing.assert_array_equal(mask, [[1, 1, 1, 1], [1, 1, 1, 0]])
    assert ids.dtype == mask.dtype == np.int64


def test_a_long_text_is_cut_and_keeps_its_end_token(tokenizer: TextTokenizer) -> None:
    ids, mask = tokenizer(["tea " * 100])
    tea = VOCABULARY["tea"]
    np.testing.assert_array_equal(ids, [[CLS, tea, tea, tea, tea, SEP]])
    assert mask.all()


def test_no_text_and_empty_texts(tokenizer: TextTokenizer) -> None:
    ids, mask = tokenizer([])
    assert ids.shape == mask.shape == (0, 0)
    ids, mask = tokenizer(["", "   "])
    np.testing.assert_array_equal(ids, [[CLS, SEP], [CLS, SEP]])


def test_half_a_surrogate_and_control_characters_do_not_fail(tokenizer: TextTokenizer) -> None:
    ids, _ = tokenizer(["tea \ud83d", "tea\x00\x07"])
    tea = VOCABULARY["tea"]
    np.testing.assert_array_equal(ids, [[CLS, tea, UNKNOWN, SEP], [CLS, tea, SEP, 0]])


def test_what_is_past_the_cut_is_not_read(tokenizer: TextTokenizer) -> None:
    # 6 tokens times 32 characters are read: a word that starts later is not there, one that starts earlier is
    np.testing.assert_array_equal(tokenizer([" " * 193 + "tea"])[0], [[CLS, SEP]])
    np.testing.assert_array_equal(tokenizer([" " * 189 + "tea"])[0], [[CLS, VOCABULARY["tea"], SEP]])


def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    for content in (None, "{}", "not json"):
        file = tmp_path / "tokenizer.json"
        if content is not None:
            file.write_text(content)
        with pytest.raises(ModelError, match=r"tokenizer\.json cannot be loaded"):
            TextTokenizer(file)


def test_the_prefix_of_a_role_stands_before_each_of_its_texts(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    make_tokenizer().save(str(file))
    tokenizer = TextTokenizer(file, max_tokens=8, prefixes={"query": "fresh ", "product": "baby soup "})
    tea, fresh, baby, soup = (VOCABULARY[word] for word in ("tea", "fresh", "baby", "soup"))
    np.testing.assert_array_equal(tokenizer(["tea"])[0], [[CLS, fresh, tea, SEP]])
    np.testing.assert_array_equal(tokenizer(["tea"], "query")[0], [[CLS, fresh, tea, SEP]])
    np.testing.assert_array_equal(tokenizer(["tea"], "product")[0], [[CLS, baby, soup, tea, SEP]])
    np.testing.assert_array_equal(tokenizer([""], "product")[0], [[CLS, baby, soup, SEP]])


def test_a_tokenizer_of_another_kind_than_words(tmp_path: Path) -> None:
    pieces = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("\u2581", -3.0),
        ("\u2581te", -1.0),
        ("a", -2.0),
    ]
    unigram = Tokenizer(models.Unigram(pieces, unk_id=3))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    unigram.enable_padding(length=20)  # as files on the hub have it; the batch decides here
    file = tmp_path / "tokenizer.json"
    unigram.save(str(file))
    ids, mask = TextTokenizer(file, max_tokens=5)(["tea", "tea tea tea", "\u8336"])
    te, a, space, unknown = 5, 6, 4, 3
    np.testing.assert_array_equal(ids, [[0, te, a, 2, 0], [0, te, a, te, 2], [0, space, unknown, 2, 0]])
    np.testing.assert_array_equal(mask, [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
