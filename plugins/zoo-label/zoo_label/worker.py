"""What goes on beside the page: embedding, and fitting the head after every answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from zoo.errors import ZooError, one_line
from zoo_label.session import Labelling

LATEST = 2.0  # seconds after which answers of other processes are taken up

Embed = Callable[[Callable[[Sequence[str], np.ndarray], None], Callable[[int, int, Sequence[str]], None]], None]
"""Given what takes vectors and what is told how far it is, embeds all pictures."""


class Worker:
    """Two threads beside the server.

    Args:
        labelling: whose head is fitted.
        embed: what embeds the pictures; None: their vectors are there.
    """

    def __init__(self, labelling: Labelling, embed: Embed | None = None) -> None:
        self.labelling = labelling
        self._embed, self._stopped, self._wanted = embed, threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._fit_on, name="fit", daemon=True)]
        if embed is not None:
            self._threads.append(threading.Thread(target=self._embed_all, name="embed", daemon=True))

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Begin."""
        if self._embed is None:
            self.labelling.embedding.done = self.labelling.embedding.total
            self.labelling.finish_vectors()
        for thread in self._threads:
            thread.start()
        self.wake()

    def wake(self) -> None:
        """There is an answer to learn from."""
        self._wanted.set()

    def stop(self) -> None:
        """End, after the piece or the fit at hand."""
        self._stopped.set()
        self._wanted.set()
        for thread in self._threads:
            thread.join(30)

    def _fit_on(self) -> None:
        fitted = (-1, 0)
        while not self._stopped.is_set():
            self._wanted.wait(LATEST)
            self._wanted.clear()
            state = (self.labelling.journal.sync(), int(self.labelling.ready.sum()))
            if state != fitted and not self._stopped.is_set():
                if not self.labelling.clusters:
                    self.labelling.cluster_again()  # before anybody asks for the first rows
                self.labelling.fit()
                fitted = state

    def _embed_all(self) -> None:
        state = self.labelling.embedding

        def take(paths: Sequence[str], vectors: np.ndarray) -> None:
            self.labelling.take_vectors(paths, vectors)
            self.wake()

        def tell(done: int, total: int, skipped: Sequence[str]) -> None:
            state.done, state.total, state.skipped = done, total, [one_line(line) for line in skipped]

        try:
            if self._embed is not None:
                self._embed(take, tell)
        except ZooError as error:
            state.fault = one_line(error)
        except Exception as error:  # a thread's error is seen by nobody: the page says it
            state.fault = one_line(f"The embedding stopped: {error}. Start again; it goes on where it was.")
        else:
            if not self.stopped:
                self.labelling.finish_vectors()
                self.wake()
