"""The sentences of explanations in Chinese, and which language a request gets."""

from __future__ import annotations

from collections.abc import Mapping

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.explain.phrases import ENGLISH, Phrases
from mercato.text.language_names import find_language

# A shopper did something with a product on a day.
_DID = "您于{date}{deed}"

CHINESE = Phrases(
    texts={
        "comma": "、",
        "semicolon": "；",
        "date": "{month}{day}日",
        "date with year": "{year}年{month}{day}日",
        "no date": "此前某日",
        "deed": "选过{what}",
        "it": "",
        # What matched.
        "matches": "匹配{words}",
        "beyond": "不匹配，是其余商品中最接近的",
        "words in field": "{field}中的{words}",
        "word": "“{word}”",
        "other": "“{word}”（代“{meant}”）",
        "close": "与“{query}”意思相近",
        # Sources.
        "also_bought": f"与{_DID}的{{title}}搭配",
        "also_bought counted": f"{_DID}的{{title}}的买家中有{{buyers}}人也买了它",
        "also_bought seed": "与{title}搭配",
        "also_bought seed counted": "{title}的买家中有{buyers}人也买了它",
        "also_bought alone": "与您选过的商品搭配",
        "arrival alone": "本店新品",
        "arrival since": "{since}起上架的新品",
        "arrival counted": "{when}首次售出：{buyers}人购买",
        "category": f"{{category}}中的热门商品，{_DID}该类的{{title}}",
        "category unsold": f"属于{{category}},{_DID}该类的{{title}}",
        "category alone": "同类中的热门商品",
        "cooccurrence": f"与{_DID}的{{title}}搭配",
        "cooccurrence counted": f"常与{_DID}的{{title}}一起购买：{{buyers}}个订单",
        "cooccurrence counted few": f"曾与{_DID}的{{title}}一起购买：{{buyers}}个订单",
        "cooccurrence seed": "与{title}搭配",
        "cooccurrence seed counted": "常与{title}一起购买：{buyers}个订单",
        "cooccurrence seed counted few": "曾与{title}一起购买：{buyers}个订单",
        "cooccurrence alone": "与您选过的商品搭配",
        "dense alone": "意思相近",
        "item_knn": f"{_DID}的{{title}}的买家也买了它",
        "item_knn seed": "{title}的买家也买了它",
        "item_knn alone": "您选过的商品的买家也买了它",
        "lately": f"近来与{_DID}的{{title}}搭配",
        "lately counted": f"{_DID}的{{title}}的买家中有{{buyers}}人{{when}}也买了它",
        "lately seed": "近来与{title}搭配",
        "lately seed counted": "{title}的买家中有{buyers}人{when}也买了它",
        "lately alone": "近来与您选过的商品搭配",
        "popular alone": "本店热门",
        "popular filtered": "符合筛选条件的热门商品",
        "popular after": "按热度接在其后",
        "chosen alone": "其他人搜索后选择了它",
        "regional alone": "您所在地区的热门商品",
        "regional counted": "{when}在{region}热销：{buyers}人购买",
        "repeat": "您于{date}{deed_it}",
        "repeat alone": "您以前选过",
        "session": f"{_DID}{{title}}之后，常有人浏览",
        "session seed": "浏览{title}之后，常有人浏览",
        "session alone": "常在您刚浏览的商品之后被浏览",
        "sequence": f"您接下来可能需要，主要因为{_DID}{{title}}",
        "sequence alone": "常在您最近所选之后被选",
        "similar": f"与{_DID}的{{title}}相似",
        "similar seed": "与{title}相似",
        "similar alone": "属于意思最相近的商品",
        "trending alone": "近来比平时更受欢迎",
        "trending counted": "{when}比平时卖得更多：{buyers}人购买，四周内{month}人",
        "words alone": "含有查询中的词",
        "words after": "按查询词接在其后",
        "source": "由{source}找到",
        # When shoppers were counted.
        "week now": "本周",
        "week then": "截至{date}的一周内",
        "week": "一周内",
        "month now": "最近四周",
        "month then": "截至{date}的四周内",
        "month": "四周内",
        "five weeks now": "最近五周",
        "five weeks then": "截至{date}的五周内",
        "five weeks": "五周内",
        "bundle": "{buyers}位顾客一起购买了这些，占购买{titles}的{percent}",
        # What moved it.
        "words more": "比其他商品更符合查询词",
        "kind of product more": "与多数结果属同一种类",
        "similarity more search": "比其他商品意思更相近",
        "similarity more": "与您以前所选相近",
        "taste more": "与您以前所选相近",
        "chosen for this query more": "其他人搜索后选择了它",
        "bought together more": "与您所选搭配",
        "bought by the same shoppers more": "与您所选搭配",
        "popularity more": "经常被购买",
        "trend more": "近来比平时卖得更多",
        "bought again by others more": "很多人会再次购买",
        "price less": "比其他商品便宜",
        "price more": "比其他商品贵",
        "age less": "比其他商品新",
        "stock more": "有货",
        "own views more": "您以前看过",
        "own purchases more": "您以前买过",
        "category more": "属于您常选的类别",
        "brand more": "属于您常选的品牌",
        # What a shop decided.
        "pinned": "按店铺规则置顶",
        "seated": "因是新品而展示在此",
        "boosted": "因{what}而提升",
        "buried": "因{what}而降低",
        "disliked": "因您不喜欢的商品而降低",
        "sorted": "按{what}排序",
        "raised novelty": "因较少人知道而提升",
        "lowered novelty": "因广为人知而降低",
        "raised margin": "因销售收益而提升",
        "lowered margin": "因销售收益而降低",
        "unvalued": "其利润和价格未知",
        "raised coverage": "经抽取而提升，使顾客看到不同商品",
        "lowered coverage": "经抽取而降低，使顾客看到不同商品",
        "raised diversity": "因与前面的商品不同而提升",
        "lowered diversity": "因与前面的商品相近而降低",
        "capped": "因{what}已占满本页份额而降低",
    },
    months=tuple(f"{number}月" for number in range(1, 13)),
    deeds={
        EVENT_TYPE_CODES["detail-page-view"]: "看过{what}",
        EVENT_TYPE_CODES["add-to-cart"]: "加入购物车{what}",
        EVENT_TYPE_CODES["purchase-complete"]: "购买过{what}",
        EVENT_TYPE_CODES["rating"]: "喜欢{what}",
        EVENT_TYPE_CODES["like"]: "喜欢{what}",
        EVENT_TYPE_CODES["wishlist-add"]: "想要{what}",
    },
    fields={
        "id": "编号",
        "title": "标题",
        "brand": "品牌",
        "categories": "类别",
        "description": "描述",
    },
)

PHRASES: Mapping[str, Phrases] = {"en": ENGLISH, "zh": CHINESE}
"""The languages that explanations speak, by code."""


def find_phrases(language: str, fallback: Phrases = ENGLISH) -> Phrases:
    """Return the phrases of a language as a request names it, such as ``zh-CN``; the fallback for one without."""
    found = find_language(language) if language else None
    return PHRASES.get(found.code, fallback) if found is not None else fallback
