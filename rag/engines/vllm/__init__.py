"""The engine that generates through vLLM; it never imports it."""
