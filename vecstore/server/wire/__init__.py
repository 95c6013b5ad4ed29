"""OpenAI's JSON, and the only place that knows it: what clients send, what they get."""
