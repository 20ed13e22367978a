// An app that is launched from a patient's page, with fhirclient (npm). Prints its port, then says
// at /cb what it learned. Node trusts SALUS_CA by NODE_EXTRA_CA_CERTS.

import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.SALUS_REAL_HOME}/npm/`);
const smart = require("fhirclient");

const kept = new Map();
const storage = {
  get: async (key) => kept.get(key),
  set: async (key, value) => (kept.set(key, value), value),
  unset: async (key) => kept.delete(key),
};

async function learned(request, response) {
  const client = await smart(request, response, storage).ready();
  const patient = await client.patient.read();
  const bundle = await client.request("Observation");
  return {
    patient: client.patient.id,
    user: client.user.fhirUser,
    family: patient.name[0].family,
    found: (bundle.entry ?? []).map((entry) => entry.resource.id),
  };
}

const server = createServer(async (request, response) => {
  try {
    if (request.url.startsWith("/launch")) {
      await smart(request, response, storage).authorize({
        clientId: "node-app",
        scope: "launch openid fhirUser patient/*.rs",
        redirectUri: "/cb",
        pkceMode: "required",
      });
    } else {
      const told = await learned(request, response);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(told));
    }
  } catch (error) {
    response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify({ error: String(error) }));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
