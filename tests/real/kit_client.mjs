// fhir-kit-client (npm): capabilities, create, read, vread, update, history, search, include, paging,
// search over types, patch, operations, transaction, delete. Node trusts SALUS_CA by NODE_EXTRA_CA_CERTS, which run.sh sets.

import { pathToFileURL } from "node:url";
import { randomUUID } from "node:crypto";

const home = process.env.SALUS_REAL_HOME || `${process.env.HOME}/.cache/salus/real`;
const { Client } = await import(pathToFileURL(`${home}/npm/node_modules/fhir-kit-client/dist/index.js`));

const run = randomUUID().slice(0, 8);
const client = new Client({ baseUrl: process.env.SALUS_FHIR, bearerToken: process.env.SALUS_TOKEN });
const ok = (name) => console.log(`ok ${name}`);
const failed = (name, why) => {
  console.log(`failed ${name}: ${why}`);
  process.exit(1);
};
const check = (name, holds, why) => (holds ? ok(name) : failed(name, why ?? "it does not hold"));
const status = (error) => error.response?.status;

async function eventually(name, look, wanted) {
  const end = Date.now() + 20_000;
  for (;;) {
    const seen = await look();
    if (wanted(seen)) {
      ok(name);
      return seen;
    }
    if (Date.now() > end) failed(name, `after 20 s it is still ${JSON.stringify(seen).slice(0, 300)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function refused(name, wanted, call) {
  try {
    await call();
  } catch (error) {
    return check(name, wanted.includes(status(error)), `status is ${status(error)}: ${error}`);
  }
  failed(name, "nothing was refused");
}

const family = `Kit${run}`;
const patient = (more = {}) => ({
  resourceType: "Patient",
  identifier: [{ system: "urn:example:real", value: `kit-${run}` }],
  name: [{ family, given: ["Åsa"] }],
  gender: "female",
  birthDate: "1975-06-01",
  ...more,
});
const observation = (id, value) => ({
  resourceType: "Observation",
  status: "final",
  code: { coding: [{ system: "http://loinc.org", code: "8310-5" }] },
  subject: { reference: `Patient/${id}` },
  effectiveDateTime: `2026-03-01T11:${value}:00Z`,
  valueQuantity: { value, unit: "Cel", system: "http://unitsofmeasure.org", code: "Cel" },
});
const ids = (bundle) => (bundle.entry ?? []).map((entry) => entry.resource.id);

try {
  const capability = await client.capabilityStatement();
  check("fhir-kit capability", capability.fhirVersion === "4.0.1", capability.fhirVersion);

  const made = await client.create({ resourceType: "Patient", body: patient() });
  check("fhir-kit create", made.id && made.meta?.versionId, JSON.stringify(made));
  const read = await client.read({ resourceType: "Patient", id: made.id });
  check("fhir-kit read", read.name[0].given[0] === "Åsa", JSON.stringify(read.name));

  await client.update({ resourceType: "Patient", id: made.id, body: { ...read, gender: "other" } });
  const changed = await client.read({ resourceType: "Patient", id: made.id });
  check("fhir-kit update", changed.gender === "other", changed.gender);
  const before = await client.vread({ resourceType: "Patient", id: made.id, version: made.meta.versionId });
  check("fhir-kit vread", before.gender === "female", before.gender);
  const history = await client.history({ resourceType: "Patient", id: made.id });
  check("fhir-kit history", history.entry.length === 2, `${history.entry.length} versions`);
  await refused("fhir-kit stale If-Match", [409, 412], () =>
    client.update({
      resourceType: "Patient",
      id: made.id,
      body: read,
      options: { headers: { "If-Match": `W/"${made.meta.versionId}"` } },
    }),
  );

  await eventually(
    "fhir-kit search",
    () => client.search({ resourceType: "Patient", searchParams: { family, birthdate: "1975-06-01" } }),
    (bundle) => ids(bundle).join() === made.id,
  );

  for (const value of [36, 37, 38, 39, 40]) {
    await client.create({ resourceType: "Observation", body: observation(made.id, value) });
  }
  const mine = { resourceType: "Observation", searchParams: { patient: made.id, _count: 2 } };
  const all = await eventually(
    "fhir-kit paging",
    async () => {
      let page = await client.search(mine);
      const seen = ids(page);
      while ((page = await client.nextPage({ bundle: page }))) seen.push(...ids(page));
      return seen;
    },
    (seen) => seen.length === 5 && new Set(seen).size === 5,
  );
  const included = await client.search({
    resourceType: "Observation",
    searchParams: { patient: made.id, _include: "Observation:patient" },
  });
  const kinds = included.entry.map((entry) => entry.resource.resourceType);
  check("fhir-kit include", kinds.filter((kind) => kind === "Patient").length === 1, kinds.join());
  const reverse = await client.search({
    resourceType: "Patient",
    searchParams: { _id: made.id, _revinclude: "Observation:subject" },
  });
  check("fhir-kit revinclude", reverse.entry.length === 6, `${reverse.entry.length} entries`);
  const hot = await client.search({
    resourceType: "Observation",
    searchParams: { patient: made.id, "value-quantity": "gt38" },
  });
  check("fhir-kit quantity", hot.entry.length === 2, `${hot.entry?.length} entries`);

  const both = await client.systemSearch({
    searchParams: { _type: "Patient,Observation", _lastUpdated: "gt2020", _count: 0 },
  });
  check("fhir-kit system search", both.total >= 6, `${both.total} in all`);
  const iterated = await client.search({
    resourceType: "Observation",
    searchParams: {
      patient: made.id,
      _count: 1,
      _include: "Observation:patient",
      "_revinclude:iterate": "Observation:patient",
    },
  });
  check("fhir-kit iterate", iterated.entry.length === 6, `${iterated.entry.length} entries`);
  const patched = await client.patch({
    resourceType: "Patient",
    id: made.id,
    jsonPatch: [
      { op: "test", path: "/gender", value: "other" },
      { op: "replace", path: "/gender", value: "male" },
    ],
  });
  check("fhir-kit patch", patched.gender === "male", JSON.stringify(patched));
  await refused("fhir-kit patch that does not fit", [422], () =>
    client.patch({
      resourceType: "Patient",
      id: made.id,
      jsonPatch: [{ op: "test", path: "/gender", value: "other" }],
    }),
  );
  const operation = (name, more = {}) =>
    client.operation({ name, resourceType: "Patient", id: made.id, method: "GET", ...more });
  const everything = await operation("everything");
  check("fhir-kit $everything", everything.entry.length === 6, `${everything.entry.length} entries`);
  const summary = await operation("summary");
  check("fhir-kit $summary", summary.type === "document", summary.type);
  const valid = await client.operation({ name: "validate", resourceType: "Patient", input: patient() });
  const wrong = valid.issue.filter((issue) => issue.severity === "error");
  check("fhir-kit $validate", wrong.length === 0, JSON.stringify(wrong));
  const expanded = await client.operation({
    name: "expand",
    resourceType: "ValueSet",
    method: "GET",
    input: { url: "http://hl7.org/fhir/ValueSet/administrative-gender" },
  });
  check("fhir-kit $expand", expanded.expansion.contains.length === 4, JSON.stringify(expanded));

  const name = `urn:uuid:${randomUUID()}`;
  const answer = await client.transaction({
    body: {
      resourceType: "Bundle",
      type: "transaction",
      entry: [
        {
          fullUrl: name,
          resource: { resourceType: "Patient", name: [{ family: `${family}T` }] },
          request: { method: "POST", url: "Patient" },
        },
        {
          resource: { ...observation("x", 41), subject: { reference: name } },
          request: { method: "POST", url: "Observation" },
        },
      ],
    },
  });
  const statuses = answer.entry.map((entry) => entry.response.status.slice(0, 3));
  check("fhir-kit transaction", statuses.join() === "201,201", JSON.stringify(answer));

  await refused("fhir-kit unknown parameter is refused", [400], () =>
    client.search({ resourceType: "Patient", searchParams: { shoesize: 42 } }),
  );
  await refused("fhir-kit bad resource is refused", [400, 422], () =>
    client.create({ resourceType: "Patient", body: { resourceType: "Patient", gender: "banana" } }),
  );

  for (const id of all) await client.delete({ resourceType: "Observation", id });
  await client.delete({ resourceType: "Patient", id: made.id });
  await refused("fhir-kit deleted is gone", [410], () => client.read({ resourceType: "Patient", id: made.id }));
  ok("fhir-kit");
} catch (error) {
  failed("fhir-kit", `${error} ${JSON.stringify(error.response?.data ?? "")}`.slice(0, 500));
}
