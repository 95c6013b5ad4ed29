"""An embedder that a test holds back."""

import threading

from vecstore import HashingEmbedder

WAIT_S = 60


class Gated(HashingEmbedder):
    """Embeds nothing until its gate is opened; counts the texts it has embedded."""

    def __init__(self):
        super().__init__()
        self.gate, self.waiting, self.texts = threading.Event(), threading.Event(), []

    def embed(self, texts):
        self.waiting.set()
        self.gate.wait(WAIT_S)
        self.texts += texts
        return super().embed(texts)
