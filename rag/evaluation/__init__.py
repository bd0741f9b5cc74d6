"""How well the corpus and its answers do on questions whose answers are known.

Questions come from a file, gold is a quote of a document, so that a set of questions outlives
every other way of cutting documents. What comes out is a run: a value a question and measure,
means with intervals, and what was found and said, to be looked at and compared.
"""
