"""Receivers of other people's: python-hl7's server over TLS with client certificates, and hl7apy's,
which closes after each answer. Usage: receivers.py FOLDER PORT_TLS PORT; what came is in
FOLDER/python-hl7 and FOLDER/hl7apy, one message id and patient a line. Prints `ready`.
"""

import asyncio
import pathlib
import ssl
import sys
import threading

import hl7.mllp
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message

folder = pathlib.Path(sys.argv[1])


def note(name, control, patient):
    with open(folder / name, "a", encoding="utf-8") as file:
        file.write(f"{control} {patient}\n")


class Handler(AbstractHandler):
    def reply(self):
        message = parse_message(self.incoming_message)
        control = message.msh.msh_10.to_er7()
        patient = message.children.get("oru_r01_patient_result")[0].oru_r01_patient.pid.pid_3.pid_3_1.to_er7()
        note("hl7apy", control, patient)
        head = f"MSH|^~\\&|HL7APY|X|SALUS|X|20260101||ACK^R01^ACK|A{control}|P|2.5"
        return f"\x0b{head}\rMSA|AA|{control}\r\x1c\r"


def hl7apy_server(port):
    server = MLLPServer("127.0.0.1", port, {"ORU^R01^ORU_R01": (Handler,)})
    threading.Thread(target=server.serve_forever, daemon=True).start()


async def connected(reader, writer):
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            note("python-hl7", str(message.segment("MSH")[10]), str(message.segment("PID")[3][0][0]))
            writer.writemessage(message.create_ack("AA"))
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


async def main(port_tls, port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "receiver.pem", folder / "receiver.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = await hl7.mllp.start_hl7_server(connected, "127.0.0.1", port_tls, ssl=context, encoding="utf-8")
    hl7apy_server(port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[2]), int(sys.argv[3])))
