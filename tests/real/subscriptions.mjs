// Subscriptions with topics, by fhir-kit-client (npm) as the client, Node's http as the receiver of a
// rest-hook, and ws (npm) at the websocket. Usage: subscriptions.mjs PORT; the receiver listens there.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const home = process.env.SALUS_REAL_HOME || `${process.env.HOME}/.cache/salus/real`;
const { Client } = await import(pathToFileURL(`${home}/npm/node_modules/fhir-kit-client/dist/index.js`));
const WebSocket = createRequire(`${home}/npm/`)("ws");

const client = new Client({ baseUrl: process.env.SALUS_FHIR, bearerToken: process.env.SALUS_TOKEN });
const port = Number(process.argv[2]);
const backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
const failed = (name, why) => {
  console.log(`failed ${name}: ${why}`);
  process.exit(1);
};
const check = (name, holds, why) => (holds ? console.log(`ok ${name}`) : failed(name, why));

/** What came, and who waits for the next of it. */
class Inbox {
  all = [];
  waiting = [];
  put(bundle) {
    this.all.push(bundle);
    this.waiting.splice(0).forEach((go) => go());
  }
  async next(type) {
    const end = setTimeout(() => failed("a notification", `no ${type} within 30 s`), 30_000);
    for (;;) {
      const at = this.all.findIndex((bundle) => of(bundle, "type")[0].valueCode === type);
      if (at >= 0) {
        clearTimeout(end);
        return this.all.splice(at, 1)[0];
      }
      await new Promise((go) => this.waiting.push(go));
    }
  }
}
const of = (bundle, name) => bundle.entry[0].resource.parameter.filter((one) => one.name === name);
const events = (bundle) =>
  of(bundle, "notification-event").map((one) => {
    const part = (name) => one.part.find((part) => part.name === name);
    return [part("event-number").valueString, part("focus")?.valueReference.reference];
  });

const hook = new Inbox();
let answers = [];
const headers = [];
createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    headers.push(request.headers);
    response.writeHead(answers.shift() ?? 200).end();
    hook.put(JSON.parse(body));
  });
}).listen(port, "127.0.0.1");

const subscription = (channel) => ({
  resourceType: "Subscription",
  meta: { profile: [`${backport}/backport-subscription`] },
  status: "requested",
  reason: "to know",
  criteria: "https://salus.invalid/SubscriptionTopic/patient-changed",
  channel: {
    payload: "application/fhir+json",
    _payload: { extension: [{ url: `${backport}/backport-payload-content`, valueCode: "full-resource" }] },
    ...channel,
  },
});
const patient = (family) =>
  client.create({ resourceType: "Patient", body: { resourceType: "Patient", name: [{ family }] } });

const made = await client.create({
  resourceType: "Subscription",
  body: subscription({
    type: "rest-hook",
    endpoint: `http://127.0.0.1:${port}/hook`,
    header: ["Authorization: Bearer theirs"],
  }),
});
const hands = await hook.next("handshake");
check("a rest-hook shakes hands", hands.type === "history" && headers[0].authorization === "Bearer theirs", "not so");
answers = [503];
const first = await patient("Curie");
await hook.next("event-notification");
const again = await hook.next("event-notification");
const focus = `${process.env.SALUS_FHIR}/Patient/${first.id}`;
check("what was not taken comes again under its number",
  JSON.stringify(events(again)) === JSON.stringify([["1", focus]]), JSON.stringify(events(again)));
check("the resource is there", again.entry[1].resource.name[0].family === "Curie", JSON.stringify(again));

const bound = await client.create({ resourceType: "Subscription", body: subscription({ type: "websocket" }) });
const given = await client.operation({
  name: "get-ws-binding-token", resourceType: "Subscription", id: bound.id, method: "GET",
});
const value = (name) => given.parameter.find((one) => one.name === name);
const socket = new WebSocket(value("websocket-url").valueUrl);
const heard = new Inbox();
socket.on("message", (text) => heard.put(JSON.parse(text)));
socket.on("error", (why) => failed("the websocket", why));
socket.on("open", () => socket.send(`bind-with-token ${value("token").valueString}`));
await heard.next("handshake");
console.log("ok a websocket shakes hands");
const second = await patient("Meitner");
const told = await heard.next("event-notification");
check("a websocket is told", events(told)[0][1].endsWith(`/Patient/${second.id}`), JSON.stringify(events(told)));
await hook.next("event-notification");
socket.close();
await patient("Noether");
await hook.next("event-notification");
const missed = await client.operation({
  name: "events", resourceType: "Subscription", id: made.id, method: "GET",
  input: { eventsSinceNumber: 2 },
});
check("events are told once more",
  JSON.stringify(events(missed).map(([number]) => number)) === '["2","3"]', JSON.stringify(events(missed)));
const status = await client.operation({ name: "status", resourceType: "Subscription", id: made.id, method: "GET" });
check("the status counts", of(status, "events-since-subscription-start")[0].valueString === "3", JSON.stringify(status));
process.exit(0);
