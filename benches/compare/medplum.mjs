// @medplum/hl7 as a receiver that answers every message with AA and stores nothing.
import { createRequire } from "node:module";

const home = process.argv[2];
const { Hl7Server } = createRequire(`${home}/npm/`)("@medplum/hl7");
const server = new Hl7Server((connection) => {
  connection.addEventListener("message", ({ message }) => connection.send(message.buildAck()));
});
await server.start(Number(process.argv[3]));
console.log("ready");
