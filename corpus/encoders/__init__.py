"""What computes vectors: sentence-transformers, and the same weights compiled for processors."""
