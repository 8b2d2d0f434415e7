"""Files of every encoding that shops' systems write are found out, by texts as long as a small export."""

import codecs
from pathlib import Path

import pytest

from mercato.errors import DataError, InvalidInputError
from mercato.tables.encoding import find_encoding
from mercato.tables.open import open_table
from mercato.tables.source import find_source

# Titles as shops in each country write them.
TITLES = {
    "de": "Kaffeebecher groß|Schüssel für Müsli|Gemütliche Wolldecke, grün|Größere Tischlampe|Küchenmesser, rostfrei",
    "fr": "Tasse à café émaillée|Lampe de bureau réglable|Coussin brodé façon lin|Théière en fonte|Étagère chêne clair",
    "pl": "Kubek do kawy żółty|Miękki koc z wełny|Lampka nocna dla dzieci, różowa|Półka na książki|Łyżka drewniana",
    "cs": "Hrnek na kávu žlutý|Měkká deka z vlny|Lampička pro děti, růžová|Police na knihy dřevěná|Příbor nerezový",
    "ru": "Кружка для кофе большая|Мягкий шерстяной плед|Настольная лампа детская|Полка для книг|Ложка деревянная",
    "el": "Κούπα για καφέ μεγάλη|Μαλακή κουβέρτα από μαλλί|Επιτραπέζιο φωτιστικό|Ράφι για βιβλία|Ξύλινο κουτάλι",
    "tr": "Büyük kahve kupası|Yumuşak yün battaniye|Çocuk için masa lambası|Ahşap kaşık, açık renk|Kitaplık rafı",
    "ja": "コーヒーカップ大きいサイズ|やわらかいウールの毛布|子供用デスクランプ|本棚、木製|木のスプーン",
    "zh": "大号咖啡杯，白色陶瓷|柔软的羊毛毯子|儿童书桌台灯|木制书架，五层|木勺子，手工制作",
    "tw": "大號咖啡杯，白色陶瓷|柔軟的羊毛毯子|兒童書桌檯燈|木製書架，五層|木湯匙，手工製作",
    "ko": "큰 커피 머그컵|부드러운 양모 담요|어린이용 책상 램프|나무 책장, 다섯 단|나무 숟가락, 수제",
}
LANGUAGES = [
    ("de", "cp1252"), ("fr", "cp1252"), ("pl", "cp1250"), ("cs", "cp1250"), ("ru", "cp1251"), ("el", "cp1253"),
    ("tr", "cp1254"), ("ja", "shift_jis"), ("ja", "euc_jp"), ("zh", "gb18030"), ("tw", "big5"), ("ko", "euc_kr"),
]  # fmt: skip


def make_text(language: str, rows: int = 40) -> str:
    titles = TITLES[language].split("|")
    return "id;title;price\r\n" + "".join(f"{at};{titles[at % len(titles)]};{at},50\r\n" for at in range(rows))


def read_titles(path: Path, encoding: str = "") -> list[str]:
    table = open_table(path, encoding=encoding)
    return [row["title"] for batch in table.read() for row in batch.rows()]


def expected(language: str, rows: int = 40) -> list[str]:
    titles = TITLES[language].split("|")
    return [titles[at % len(titles)] for at in range(rows)]


@pytest.mark.parametrize("language", TITLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode(tmp_path: Path, language: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(make_text(language).encode(encoding))
    assert read_titles(path) == expected(language)


@pytest.mark.parametrize("language", TITLES)
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
    ids=["utf-16-le with mark", "utf-16-be with mark", "utf-32-be with mark", "utf-16-le", "utf-16-be"],
)
def test_wide_with_and_without_a_mark(tmp_path: Path, language: str, mark: bytes, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(mark + make_text(language).encode(encoding))
    assert read_titles(path) == expected(language)


@pytest.mark.parametrize(("language", "encoding"), LANGUAGES)
def test_other_encodings_are_found_by_their_texts(tmp_path: Path, language: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(make_text(language).encode(encoding))
    assert read_titles(path) == expected(language)
    assert any("no UTF-8" in note for note in open_table(path).notes)


@pytest.mark.parametrize(("language", "encoding"), LANGUAGES)
def test_an_encoding_that_is_said_is_taken(tmp_path: Path, language: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(make_text(language, 2).encode(encoding))
    assert read_titles(path, encoding) == expected(language, 2)


def test_few_slips_in_a_file_of_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(make_text("de").encode() + "90;Café für zwei;1\r\n".encode("cp1252"))
    assert read_titles(path) == [*expected("de"), "Café für zwei"]
    assert open_table(path).notes == ["1 line holds bytes that are no UTF-8; they were read as Windows-1252"]


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,title\n1,a\n")
    for name in ("klingon", "hex", "utf-9"):
        with pytest.raises(InvalidInputError, match="is no encoding; for example utf-8"):
            find_encoding(find_source(path), name)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(bytes(range(256)) * 8 + bytes(300))
    with pytest.raises(DataError, match="holds no text; give a Parquet, CSV, JSON or XML file"):
        open_table(path)
