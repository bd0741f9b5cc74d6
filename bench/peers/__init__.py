"""The project beside what people use today: the same folder, the same weights, the same questions.

Each side is a script that runs in an environment of its own and is measured from outside as a
process. What can be done with one stands in :mod:`bench.peers.protocol`.
"""
