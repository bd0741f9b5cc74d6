"""The models that the settings name: where they are, what they are, what they may be used for."""
