"""python-hl7's asyncio server: answers every message with AA and stores nothing."""

import asyncio
import sys

from hl7.mllp import start_hl7_server


async def answer(reader, writer):
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    # MSH-18 of some of the messages is 8859/1; the server can be told one encoding only.
    server = await start_hl7_server(answer, port=int(sys.argv[1]), limit=1 << 24, encoding="latin-1")
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
