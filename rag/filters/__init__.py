"""Filters as people write them: ``lang = de and path ~ docs/**``."""
