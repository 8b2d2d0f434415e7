"""What a shop wants beyond relevance: sorting, boosts, rules, collapsing, diversity."""
