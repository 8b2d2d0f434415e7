"""FastAPI, sentence-transformers and faiss: dense search as most write it first."""
