"""The kinds of user events: the eight of Google's Retail API, verbatim, and `refund`, as Google Analytics calls it.

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
)
EVENT_TYPE_CODES: dict[str, int] = {name: code for code, name in enumerate(EVENT_TYPES)}

# The types that say something about one product and mean nothing without it.
PRODUCT_EVENT_TYPES: frozenset[str] = frozenset(
    {"detail-page-view", "add-to-cart", "remove-from-cart", "purchase-complete"}
)

UNDONE_BY: dict[str, str] = {"purchase-complete": "refund", "add-to-cart": "remove-from-cart"}
"""What takes back an event of a type: so a negative quantity of it is read."""

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
}
_TYPE_OF = {name: event_type for event_type, names in _OTHER_NAMES.items() for name in names.split("|")}
_TYPE_OF |= {event_type.replace("-", " "): event_type for event_type in EVENT_TYPES}


def find_event_type(name: str) -> str:
    """Find the type that a history means: ``add_to_cart``, ``Product Viewed``, ``transaction``; others as they are."""
    return name if name in EVENT_TYPE_CODES else _TYPE_OF.get(re.sub(r"[\W_]+", " ", name).strip().lower(), name)
