"""Prints a free port of 127.0.0.1, of those that no system gives away by itself: such a one may be taken again by
another test before whoever asked for it listens."""

import random
import socket

while True:
    port = random.randrange(20000, 32000)
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        continue
    print(port)
    break
