"""What is known: documents, chunks, vectors, words, and the snapshots that hold them.

The ground floor of the house. ``ingest`` writes here, ``rag`` answers from here, and
nothing in this package imports either.
"""
