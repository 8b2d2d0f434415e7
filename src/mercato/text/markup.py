"""What a reader sees of a text that came out of a web shop: no tags, no styles, characters in place of references.

selectolax (lexbor) finds where tags, comments, scripts and styles end; why it, and why tags are made flat before it
sees them, is told in docs/decisions/0021-markup.md.
"""

import html
import re
from html.entities import html5

# The elements of HTML, those that were once part of it, and of SVG and MathML what starts such a part.
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd mark nobr q rb ruby s samp small span "
    "strike strong sub sup time tt u var wbr".split()
)
_BLOCK = frozenset(
    "address applet area article aside audio base basefont bgsound blink blockquote body br button canvas caption "
    "center col colgroup datalist dd details dialog dir div dl dt embed fieldset figcaption figure footer form frame "
    "frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe img input isindex label legend li link listing main "
    "map marquee math menu menuitem meta meter multicol nav nextid noembed noframes noscript object ol optgroup "
    "option output p param picture plaintext portal pre progress rp rt rtc script search section select slot source "
    "spacer style summary svg table tbody td template textarea tfoot th thead title tr track ul video xmp".split()
)
#: Elements whose content is no text to anybody. They stay as they are: what is in them is no markup.
_UNREAD = frozenset({"script", "style", "iframe", "noembed", "noframes"})
_UNREAD_TAGS = sorted(_UNREAD)
_UNREAD_OPENING = re.compile(f"<(?:(?:{'|'.join(_UNREAD_TAGS)})[\\s/>]|!--)", re.IGNORECASE)

# Where a tag may start. Names of Office and of feeds hold a colon, those of custom elements a hyphen.
_OPENING = re.compile(r"<(?:(/?)([a-z][a-z0-9:_-]*)|(!--|!doctype\b|!\[(?:end)?if\b|\?(?:xml|php)\b))?", re.IGNORECASE)
_END_TAG = re.compile(r"</([a-z][a-z0-9:_-]*)\s*>", re.IGNORECASE)
# What must follow the name: the end, or an attribute. Neither looks beyond the next < or >, so time stays linear.
_AFTER_NAME = re.compile(
    r"""\s*/?>|[\s/"'][^<>=]*=|\s+(?:hidden|nowrap|noshade|checked|disabled|selected|controls)\b""", re.IGNORECASE
)
_AFTER_STRANGE_NAME = re.compile(r"""\s+[a-z][\w:-]*\s*=\s*["']""", re.IGNORECASE)
# What most descriptions hold and nothing else: tags that stand as the rules of XML want them. No parser is needed.
_SIMPLE_REST = r"""(?:\s+[a-z-]+="[^"<>]*")*\s*/?>"""
_SIMPLE_BLOCK = re.compile(
    r"</?(?:p|br|li|ul|ol|div|h[1-6]|hr|table|tbody|thead|tr|td|th|dl|dt|dd|section|blockquote|img)" + _SIMPLE_REST,
    re.IGNORECASE,
)
_SIMPLE_INLINE = re.compile(r"</?(?:b|strong|i|em|u|a|span|small|sup|sub|font)" + _SIMPLE_REST, re.IGNORECASE)
# The text was cut off inside of a tag: after its name, or in the value of an attribute.
_CUT_OFF = re.compile(r"""\s*/?\Z|\s[^<>]*=\s*["'][^<>]*\Z""")
_WHOLE_TAG = re.compile(r"</?[a-z][^<>]*>|<!--|-->", re.IGNORECASE)

# Page builders of WordPress write these into descriptions; brackets of people do not look so.
_SHORTCODE = re.compile(
    r"\[/?(?:vc|et_pb|fusion|av|mk|ux|cs|wpb|nectar|porto|woodmart|dt|tm)_[a-z0-9_]+(?:\s[^\[\]]*)?\]"
    r"|\[(?:caption|gallery|embed|video|audio|playlist|contact-form-7|rev_slider)\s[^\[\]=]*=[^\[\]]*\]"
    r"|\[/(?:caption|gallery|embed|video|audio|playlist)\]"
)

_REFERENCE = re.compile(r"&(?:amp;)*+(?:(#?[0-9a-zA-Z]{1,32}+;?+)(?!=))?")
# Characters that a name may give with letters glued to it: nobody writes a word that starts like these names.
_GLUED = frozenset(
    char
    for name, char in html5.items()
    if re.fullmatch(r"[A-Za-z]{1,2}(?:acute|grave|circ|uml|tilde|cedil|ring|slash|lig)|nbsp", name)
)

_ODD_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LINE_BREAK = re.compile("[\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    # Joiners shape letters of Arabic and Indic scripts and hold emoji together; beside other characters they are noise.
    "|(?<![\u0600-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\U0010ffff])"
)
# All of the above in one set, which is found fastest; a joiner may turn out to belong where it stands.
_ODD = re.compile("[\xa0\xad\u061c\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u2069\u3000\ufeff\ud800-\udfff]")
# A noncharacter of Unicode, at the end of what is parsed: where it is missing after, the parser took text for markup.
_END_MARK = "\ufdd0"

# Texts that are not made to mislead are done after three.
_ROUNDS = 8


def to_plain_text(text: str) -> str:
    """Return what a reader sees of a text with or without markup.

    Tags, comments, scripts, styles and what page builders write in brackets go; what starts or ends a block, a cell, an
    item or a line parts words, what stands inside a line does not. References become characters, those that were
    encoded twice too. Odd spaces become spaces, invisible characters go. What only looks like markup stays: a tag has
    a name that HTML knows, or an end, or quoted attributes.

    Args:
        text: any text at all.

    Returns:
        The text; the same object where there was nothing to do. White space is collapsed where tags were, to line
        breaks between blocks and to spaces elsewhere. `to_plain_text` of it is itself.
    """
    if "<" not in text and "&" not in text and "[" not in text and (text.isascii() or not _ODD.search(text)):
        return text
    had_tags = False
    for _ in range(_ROUNDS):
        before = text
        if "<" in text:
            stripped = _strip_tags(text)
            had_tags = had_tags or stripped != text
            text = stripped
        if "[" in text:
            text = _SHORTCODE.sub(" ", text)
        if "&" in text:
            text = _REFERENCE.sub(_decode_reference, text)
        if not text.isascii() and _ODD.search(text):
            text = _clean_characters(text)
        if had_tags:
            text = _collapse(text)
        if text == before:
            break
    else:
        # Markup in markup in markup: nobody's text. Without the two characters nothing more can come out of it.
        text = text.replace("<", " ").replace("&", " ").replace("[", " ")
        text = _collapse(_clean_characters(text))
    return text


def decode_references(text: str) -> str:
    """Decode the character references of a text that has no markup, such as the name of an attribute; tags stay."""
    if "&" not in text:
        return text
    for _ in range(_ROUNDS):
        text = _REFERENCE.sub(_decode_reference, text)
    return _clean_characters(text)


def _clean_characters(text: str) -> str:
    text = _ODD_SPACE.sub(" ", text)
    if not _ODD.search(text):
        return text
    text = _INVISIBLE.sub("", text)
    return _LINE_BREAK.sub("\n", _SURROGATE.sub("\ufffd", text))


def _collapse(text: str) -> str:
    """Make of white space one line break where it holds one, else one space."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(filter(None, lines))


def _decode_reference(match: re.Match[str]) -> str:
    name = match[1]
    if not name:
        return "&"
    decoded = html.unescape("&" + name)
    # Browsers read &notebooks as a sign and "ebooks". With letters glued to a name, & is more often a person's "and".
    if name[0] == "#" or name in html5 or decoded[0] in _GLUED:
        return decoded
    return "&" + name


def _strip_tags(text: str) -> str:
    """Cut out tags, comments and what nobody reads; references stay as they are."""
    if "<![CDATA[" in text:
        text = text.replace("<![CDATA[", " ").replace("]]>", " ")
    if "\r" not in text and "\0" not in text:
        plain = _SIMPLE_BLOCK.sub("\n", text)
        if "<" in plain:
            plain = _SIMPLE_INLINE.sub("", plain)
        if "<" not in plain:
            return plain
    flattener = _Flattener(text)
    flat = flattener.flatten()
    if flat is None:
        return text
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(f"<body>{flat}{_END_MARK}")
    tree.strip_tags(_UNREAD_TAGS)
    body = tree.body
    plain = body.text() if body is not None else ""
    if plain.endswith(_END_MARK):
        return plain[: -len(_END_MARK)]
    if _UNREAD_OPENING.search(flat):
        return plain  # a script or comment that never ends: nobody reads the rest
    return _WHOLE_TAG.sub(" ", text)  # a quote that never ends would swallow the rest


class _Flattener:
    """Makes of each tag an empty element that cannot nest, and of what only looks like one a text.

    Every tag becomes ``<wbr``, with a line break before it where it parts words; the parser still finds its end.
    """

    def __init__(self, text: str) -> None:
        self._text = text.replace("&", "&amp;") if "&" in text else text
        self._last_end = self._text.rfind(">")
        self._closed: set[str] | None = None
        self._found = False

    def flatten(self) -> str | None:
        """Return the text with flat tags and its references escaped; None where it has no tag."""
        flat = _OPENING.sub(self._rewrite, self._text)
        return flat if self._found else None

    def _rewrite(self, match: re.Match[str]) -> str:
        slash, name, declaration = match.groups()
        if declaration:
            self._found = True
            return match[0]
        if not name:
            return "&lt;"
        name = name.lower()
        if not self._is_tag(name, slash, match.end()):
            return "&lt;" + match[0][1:]
        self._found = True
        if match.end() > self._last_end:
            return "<!--"  # cut off inside of a tag: a comment takes the rest
        if name in _UNREAD:
            return "\n" + match[0]
        return "<wbr" if name in _INLINE else "\n<wbr"

    def _is_tag(self, name: str, slash: str, end: int) -> bool:
        known = name in _INLINE or name in _BLOCK or name in _UNREAD
        if end > self._last_end:
            long_enough = len(name) > 1 or bool(slash) or end < len(self._text)
            return known and long_enough and bool(_CUT_OFF.match(self._text, end))
        if known:
            return bool(_AFTER_NAME.match(self._text, end))
        if self._closed is None:
            self._closed = {closing.lower() for closing in _END_TAG.findall(self._text)}
        return name in self._closed or bool(_AFTER_STRANGE_NAME.match(self._text, end))
