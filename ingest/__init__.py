"""The writing wing: from a folder of files to a published snapshot."""
