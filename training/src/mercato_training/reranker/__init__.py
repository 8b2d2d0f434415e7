"""Training the reranker: from the catalogue, from ratings and from what shoppers did."""
