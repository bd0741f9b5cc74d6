"""The long versions of proofs that the suite holds in short: ``python -m tests.long``."""
