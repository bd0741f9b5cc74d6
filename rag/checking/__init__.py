"""What becomes of generated text: claims, citations that open, verdicts by rule."""
