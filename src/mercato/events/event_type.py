"""The kinds of user events: the eight of Google's Retail API, verbatim.

Apart from the rules of events, because signals, features and training need the codes and no more.

Source: https://cloud.google.com/retail/docs/user-events#types
"""

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
)
EVENT_TYPE_CODES: dict[str, int] = {name: code for code, name in enumerate(EVENT_TYPES)}

# The types that say something about one product and mean nothing without it.
PRODUCT_EVENT_TYPES: frozenset[str] = frozenset(
    {"detail-page-view", "add-to-cart", "remove-from-cart", "purchase-complete"}
)
