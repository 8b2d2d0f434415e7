"""PostgreSQL with pgvector: full text and vectors, fused in SQL."""
