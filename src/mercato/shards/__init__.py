"""A catalogue in shards, each on a server of its own, and the router that asks and joins them."""
