"""Does the store survive? Kills, power cuts, full and failing disks, at every call to the system.

``python -m tests.torture`` runs all parts; ``tests/test_torture.py`` runs a little of each.
"""
