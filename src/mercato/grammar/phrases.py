"""The words of comparisons and exclusions, a table a language; another language is another table.

All tables hold at once for any shop: a shopper writes in a language of their own. Phrases are separated by bars and
written as people type them; case and accents do not count (`mercato.grammar.tokens.fold`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """The phrases of one language, each a list with bars between.

    Attributes:
        below: before an amount, which itself is out.
        at_most: before an amount, which itself is in.
        above: before an amount, which itself is out.
        at_least: before an amount, which itself is in.
        weak_at_most: the same as `at_most`, by words that are names too ("pro max"): with a unit or currency alone.
        weak_at_least: the same as `at_least`.
        between: before two amounts.
        between_and: between these two.
        range_from: before two amounts that `range_to` joins.
        range_to: between these two.
        or_less: behind an amount, which itself is in.
        or_more: behind an amount, which itself is in.
        less: behind an amount, which itself is out.
        more: behind an amount, which itself is out.
        priced: before a comparison, says that it is one of prices.
        cheaper: before an amount of money alone.
        dearer: before an amount of money alone.
        without: before what is not wanted.
        not_a: the same, by words that stand in names of products, too ("no show socks").
        written: before what a product does not have, in texts of products alone ("zero sugar").
        free: behind what is not wanted ("sugar free").
        not_free: behind `free` where that is no exclusion ("free shipping").
        skipped: between `without` and what is not wanted.
        modifiers: words that belong to the next one, and are no wish alone ("added sugar").
        or_also: joins two things that are not wanted.
        and_also: the same, where nothing follows the second.
        size: before a size.
        pack: before or behind a number of pieces.
        pack_of: between `pack` and the number.
        nouns: what one counts; a number before it is no price.
    """

    below: str = ""
    at_most: str = ""
    above: str = ""
    at_least: str = ""
    weak_at_most: str = ""
    weak_at_least: str = ""
    between: str = ""
    between_and: str = ""
    range_from: str = ""
    range_to: str = ""
    or_less: str = ""
    or_more: str = ""
    less: str = ""
    more: str = ""
    priced: str = ""
    cheaper: str = ""
    dearer: str = ""
    without: str = ""
    not_a: str = ""
    written: str = ""
    free: str = ""
    not_free: str = ""
    skipped: str = ""
    modifiers: str = ""
    or_also: str = ""
    and_also: str = ""
    size: str = ""
    pack: str = ""
    pack_of: str = ""
    nouns: str = ""


LANGUAGES = {
    "signs": Phrases(
        below="<", at_most="<=|≤|=<", above=">", at_least=">=|≥|=>", range_to="-|–|—|~|bis|to", or_more="+",
        between_and="-|–|&", and_also="&", or_also="/",
    ),
    "english": Phrases(
        below="under|below|less than|lower than|smaller than|lighter than|shorter than|thinner than|beneath|fewer than",
        at_most="at most|no more than|not more than|not over|not above|up to|within|no higher than|not exceeding"
        "|maximum of|max of|not more expensive than|no more expensive than|no dearer than",
        weak_at_most="max|maximum", weak_at_least="min|minimum",
        above="over|above|more than|greater than|higher than|bigger than|larger than|heavier than|longer than"
        "|taller than|exceeding|upwards of",
        at_least="at least|no less than|not less than|not under|not below|starting at|starting from|minimum of|min of",
        between="between|in between|anywhere between", between_and="and|to", range_from="from|ranging from",
        range_to="to|up to|until|through|till",
        or_less="or less|or under|or below|or cheaper|or lower|or fewer|or smaller|and under|and below|and less"
        "|max|maximum|at most|tops",
        or_more="or more|or above|or over|or higher|or larger|or bigger|or greater|and above|and over|and up|and more"
        "|upwards|min|minimum|at least|plus",
        priced="price|priced|prices|costing|costs|cost|for|that costs|which costs|price is|price of|with a price",
        cheaper="cheaper than|less expensive than", dearer="dearer than|more expensive than|pricier than",
        without="without|excluding|except|except for|but not|exclude|w/o|free of|free from|other than",
        not_a="no|not", written="zero|non|never|nor|lacks", free="free",
        not_free="shipping|spirit|style|size|delivery|gift|trial|standing|returns|sample|from|of",
        skipped="any|a|an|the|of|contain|contains|containing|include|including|in|with|made|having",
        modifiers="added|artificial|extra|real|genuine|synthetic|refined|hydrogenated|trans",
        or_also="or|nor", and_also="and", size="size|sz", pack="pack|packs|pk|pieces|pcs|set|box|case|count|ct",
        pack_of="of",
        nouns="people|persons|person|years|year|yrs|months|month|days|weeks|pieces|pcs|players|ports|seats|seater|sheets"
        "|pages|percent|calories|kcal|stars|reviews|stories|cups|cup|slices|doors|channels|keys|cores|times|games|books"
        "|items|servings|pairs|bottles|cans|rolls|tablets|capsules|bags|kids|users|minutes|mins|hours|hrs|seconds|devices|degrees|colors|colours",
    ),
    "german": Phrases(
        below="unter|unterhalb von|weniger als|kleiner als|leichter als|kürzer als|niedriger als",
        at_most="höchstens|hoechstens|maximal|bis|bis zu|bis maximal|nicht mehr als|nicht über|nicht ueber|max."
        "|nicht teurer als",
        weak_at_most="max", weak_at_least="min|ab",
        above="über|ueber|mehr als|größer als|groesser als|schwerer als|länger als|laenger als|höher als|oberhalb von",
        at_least="mindestens|wenigstens|nicht weniger als|nicht unter|min.|ab",
        between="zwischen", between_and="und", range_from="von|ab", range_to="bis|bis zu",
        or_less="oder weniger|oder günstiger|und weniger|und darunter|maximal|höchstens|max",
        or_more="oder mehr|und mehr|und darüber|oder größer|mindestens|aufwärts",
        priced="preis|für|fuer|kostet|zum preis von|preislich",
        cheaper="günstiger als|billiger als|guenstiger als", dearer="teurer als",
        without="ohne|außer|ausser|frei von", free="frei", not_a="kein|keine|keinen|keinem|keiner|nicht",
        skipped="jegliche|jeglichen|irgendwelche|die|der|das|den|ein|eine|einen|aus|mit|zusatz von",
        modifiers="künstliche|künstlichen|echtes|zugesetzten|zugesetzter|raffinierten",
        or_also="oder|noch", and_also="und", size="größe|groesse|gr.",
        pack="er pack|er-pack|stück|stueck|stk|packung|er set|er packung",
        nouns="personen|jahre|jahren|monate|tage|teile|teilig|blatt|seiten|prozent|mal",
    ),
    "french": Phrases(
        below="moins de|à moins de|de moins de|inférieur à|inférieure à|inférieurs à|en dessous de|au-dessous de|sous"
        "|plus petit que|plus léger que|en dessous",
        at_most="au maximum|au plus|jusqu'à|jusqu’à|maximum de|pas plus de|pas plus cher que|ne dépassant pas"
        "|dans la limite de",
        weak_at_most="maxi|max|maximum", weak_at_least="mini|min|minimum",
        above="plus de|à plus de|de plus de|supérieur à|supérieure à|supérieurs à|au-dessus de|au dessus de",
        at_least="au moins|au minimum|à partir de|dès|minimum de|pas moins de",
        between="entre", between_and="et", range_from="de", range_to="à|a|jusqu'à",
        or_less="ou moins|et moins|maximum|maxi|au maximum|max", or_more="ou plus|et plus|minimum|au minimum",
        priced="prix|pour|coûtant|à|au prix de|pour moins cher",
        cheaper="moins cher que|moins chers que|moins chère que|moins cher de", dearer="plus cher que",
        without="sans|hors|sauf|excepté", not_a="pas de|pas",
        skipped="le|la|les|l|de|du|des|d|un|une|aucun|aucune", modifiers="ajouté|ajoutés",
        or_also="ni|ou", and_also="et", size="taille|pointure", pack="lot|paquet|pièces|boîte", pack_of="de",
        nouns="personnes|ans|mois|jours|pièces|feuilles|pages",
    ),
    "spanish": Phrases(
        below="menos de|por menos de|de menos de|inferior a|inferiores a|por debajo de|debajo de|menor que|menor de"
        "|bajo",
        at_most="como máximo|como mucho|hasta|máximo de|no más de|no más caro que|a lo sumo",
        weak_at_most="máximo|máx|max",
        above="más de|mas de|por encima de|superior a|superiores a|mayor que|mayor de|de más de",
        at_least="al menos|por lo menos|como mínimo|a partir de|desde|mínimo de|no menos de",
        weak_at_least="mínimo|min",
        between="entre", between_and="y", range_from="de|desde", range_to="a|hasta",
        or_less="o menos|y menos|como máximo|máximo|max", or_more="o más|y más|como mínimo|mínimo",
        priced="precio|por|para|que cueste|que cuesten|de precio|a un precio de",
        cheaper="más barato que|más baratos que|más barata que|más baratas que", dearer="más caro que",
        without="sin|que no sea|que no sean|que no tenga|que no tengan|que no lleve"
        "|excepto|salvo|menos los|libre de|libres de", not_a="no|nada de",
        skipped="el|la|los|las|de|del|un|una|ningún|ninguna", modifiers="añadido|añadidos|artificiales",
        or_also="ni|o", and_also="y|e", size="talla|número", pack="paquete|piezas|unidades|caja", pack_of="de",
        nouns="personas|años|meses|días|piezas|hojas",
    ),
    "chinese": Phrases(
        below="低于|少于|小于|不到|不足|便宜于|轻于|未满",
        at_most="不超过|不大于|不高于|不多于|最多|至多|最高|最大|上限",
        above="高于|大于|多于|超过|重于|超出", at_least="至少|不少于|不低于|不小于|最少|最低|起码|最小",
        between="介于", between_and="和|与|到|至", range_from="从", range_to="到|至|-|~",
        or_less="以下|以内|之内|以里|及以下|或以下|或更少|内", or_more="以上|及以上|或以上|起|或更多",
        priced="价格|价钱|售价|价位|价格在|价", without="不含|不含有|没有|不要|不带|不包含|除了|去掉|无添加",
        written="无|免|零",
        skipped="有|任何", or_also="或|或者|和|也没有|、", size="尺码|尺寸|码数",
        pack="装|件装|个装|瓶装|罐装|包装|支装",
        nouns="人|岁|年|个月|天|页|片|口|名|位",
    ),
}  # fmt: skip


def list_phrases(name: str) -> list[str]:
    """List the phrases of one field over all languages, as they are written."""
    return [phrase for language in LANGUAGES.values() for phrase in getattr(language, name).split("|") if phrase]
