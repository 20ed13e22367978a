"""pynetdicom without a race of its own.

Between the moment in which the other thread of an association stops waiting and the one in which it says that it goes
on, a request may be sent; that thread then takes the answer, and whoever asked waits for half a minute in vain. The
sooner the answer comes the likelier that is. Import this before an association is made.
"""

import threading

from pynetdicom.association import Association


class Checkpoint(threading.Event):
    """Where that thread waits: it goes on and says so at once, or not at all."""

    def __init__(self, association):
        super().__init__()
        self.association = association
        self.turn = threading.Lock()

    def clear(self):
        with self.turn:
            super().clear()

    def wait(self, timeout=None):
        while True:
            reached = super().wait(timeout)
            with self.turn:
                if self.is_set():
                    self.association._is_paused = False
                    return True
            if timeout is not None and not reached:
                return False


begin = Association.__init__


def made(self, *args, **named):
    begin(self, *args, **named)
    self._reactor_checkpoint = Checkpoint(self)
    self._reactor_checkpoint.set()


Association.__init__ = made
