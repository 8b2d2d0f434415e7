"""The kinds of user events: the eight of Google's Retail API, verbatim, `refund`, and what shoppers say themselves.

Apart from the rules of events, because signals, features and training need the codes and no more.

Histories of other systems call them by other names; those of Google Analytics, Segment and usual logs are known.

Source: https://cloud.google.com/retail/docs/user-events#types
"""

import re

# A type's position is its code in files and in the state store: append, never reorder.
EVENT_TYPES: tuple[str, ...] = (
    "search",
    "detail-page-view",
    "add-to-cart",
    "remove-from-cart",
    "purchase-complete",
    "category-page-view",
    "home-page-view",
    "shopping-cart-page-view",
    "refund",
    "rating",
    "like",
    "dislike",
    "not-interested",
    "hide",
    "wishlist-add",
    "wishlist-remove",
    "reset",
    "forget",
)
EVENT_TYPE_CODES: dict[str, int] = {name: code for code, name in enumerate(EVENT_TYPES)}

OPINION_TYPES: tuple[str, ...] = ("rating", "like", "dislike", "not-interested", "hide")
"""What somebody thinks of a product; the last word counts."""
DISLIKE_TYPES: tuple[str, ...] = ("dislike", "not-interested", "hide")
WISHLIST_TYPES: tuple[str, ...] = ("wishlist-add", "wishlist-remove")

# The types that say something about one product and mean nothing without it.
PRODUCT_EVENT_TYPES: frozenset[str] = frozenset(
    {
        "detail-page-view",
        "add-to-cart",
        "remove-from-cart",
        "purchase-complete",
        *OPINION_TYPES,
        *WISHLIST_TYPES,
        "forget",
    }
)

UNDONE_BY: dict[str, str] = {"purchase-complete": "refund", "add-to-cart": "remove-from-cart"}
"""What takes back an event of a type: so a negative quantity of it is read."""

FORGETTING_TYPES: tuple[str, ...] = ("reset", "forget")
SAID_TYPES: tuple[str, ...] = (*OPINION_TYPES, *WISHLIST_TYPES, *FORGETTING_TYPES)
"""What shoppers say themselves. Their codes are one range, which the state's index of them is made of."""

FEWEST_STARS, MOST_STARS = 1.0, 5.0
LIKED_STARS, DISLIKED_STARS = 4.0, 2.0
"""From how many stars on a rating is a like, and up to how many it is a dislike; between them it says neither."""
STARS_STEPS = 100
"""A rating is kept where other events have their pieces, in hundredths of a star."""

STATEMENTS: tuple[str, ...] = ("taste", "purchase", "cart", "view", "wishlist", "opinion")
"""What `forget` takes back of a product. ``taste`` is all but purchases. A statement's position, from 1, is kept where
other events have their pieces: append, never reorder."""
STATEMENT_TYPES: dict[str, tuple[str, ...]] = {
    "taste": ("detail-page-view", "add-to-cart", *OPINION_TYPES, *WISHLIST_TYPES),
    "purchase": ("purchase-complete",),
    "cart": ("add-to-cart",),
    "view": ("detail-page-view",),
    "wishlist": WISHLIST_TYPES,
    "opinion": OPINION_TYPES,
}
"""The types of events that a statement is made of."""

_OTHER_NAMES = {
    "search": "view search results|products searched|searched",
    "detail-page-view": "view|view item|viewitem|product viewed|product view|productview|pdp view|detail view",
    "add-to-cart": "add cart|addtocart|added to cart|product added|cart add",
    "remove-from-cart": "removefromcart|removed from cart|product removed|cart remove|remove|removed",
    "purchase-complete": "purchase|purchased|order|ordered|order completed|transaction|bought",
    "category-page-view": "view item list|viewitemlist|product list viewed|category view|category viewed",
    "home-page-view": "homepage|home view",
    "shopping-cart-page-view": "view cart|viewcart|cart viewed|cart view",
    "refund": "refunded|order refunded|product refunded|return|returned|order returned|product returned|"
    "cancel|cancelled|canceled|cancellation|cancelation|order cancelled|order canceled|purchase cancelled|chargeback",
    "rating": "rate|rated|review|reviewed|product rated|product reviewed",
    "like": "liked|thumbs up|thumb up|thumbsup|upvote|product liked",
    "dislike": "disliked|thumbs down|thumb down|thumbsdown|downvote|product disliked",
    "not-interested": "notinterested|dismiss|dismissed|product dismissed",
    "hide": "hidden|product hidden",
    "wishlist-add": "add to wishlist|addtowishlist|added to wishlist|product added to wishlist|wishlist|favorite|"
    "favourite|favorited|favourited|save for later",
    "wishlist-remove": "remove from wishlist|removefromwishlist|removed from wishlist|product removed from wishlist|"
    "unfavorite|unfavourite",
    "reset": "reset taste",
}
_TYPE_OF = {name: event_type for event_type, names in _OTHER_NAMES.items() for name in names.split("|")}
_TYPE_OF |= {event_type.replace("-", " "): event_type for event_type in EVENT_TYPES}


def find_event_type(name: str) -> str:
    """Find the type that a history means: ``add_to_cart``, ``Product Viewed``, ``transaction``; others as they are."""
    return name if name in EVENT_TYPE_CODES else _TYPE_OF.get(re.sub(r"[\W_]+", " ", name).strip().lower(), name)
