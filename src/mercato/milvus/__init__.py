"""Dense retrieval from Milvus: each snapshot has a collection that is filled from it and searched in its place."""
