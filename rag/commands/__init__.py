"""The sub-commands, one a file: the composition root, where the two wings may meet."""
