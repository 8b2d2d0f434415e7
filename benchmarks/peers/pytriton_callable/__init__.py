"""PyTriton with one callable: encoder, HNSW and a small ranker in one Python process."""
