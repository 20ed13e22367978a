// @medplum/core (npm): MedplumClient against our base: create, read, search, paging, update, patch,
// history, batch, transaction, $everything, delete. Node trusts SALUS_CA by NODE_EXTRA_CA_CERTS, which run.sh sets.

import { pathToFileURL } from "node:url";
import { randomUUID } from "node:crypto";

const home = process.env.SALUS_REAL_HOME || `${process.env.HOME}/.cache/salus/real`;
const module = `${home}/npm/node_modules/@medplum/core/dist/esm/index.mjs`;
const { MedplumClient, OperationOutcomeError } = await import(pathToFileURL(module));

const run = randomUUID().slice(0, 8);
const base = process.env.SALUS_FHIR.replace(/\/+$/, "");
const medplum = new MedplumClient({
  baseUrl: `${base.replace(/\/fhir$/, "")}/`,
  fhirUrlPath: "fhir",
  fetch,
  cacheTime: 0,
});
medplum.setAccessToken(process.env.SALUS_TOKEN);
const ok = (name) => console.log(`ok ${name}`);
const failed = (name, why) => {
  console.log(`failed ${name}: ${why}`);
  process.exit(1);
};
const check = (name, holds, why) => (holds ? ok(name) : failed(name, why ?? "it does not hold"));

async function refused(name, code, call) {
  try {
    await call();
  } catch (error) {
    const said = error instanceof OperationOutcomeError ? error.outcome.issue[0].code : `${error}`;
    return check(name, said === code, `it is ${said}, not ${code}`);
  }
  failed(name, "nothing was refused");
}

const family = `Medplum${run}`;
const observation = (patient, value) => ({
  resourceType: "Observation",
  status: "final",
  code: { coding: [{ system: "http://loinc.org", code: "8867-4" }] },
  subject: { reference: `Patient/${patient}` },
  effectiveDateTime: `2026-03-01T12:${value}:00Z`,
  valueQuantity: { value, unit: "/min", system: "http://unitsofmeasure.org", code: "/min" },
});

try {
  const made = await medplum.createResource({
    resourceType: "Patient",
    identifier: [{ system: "urn:example:real", value: `medplum-${run}` }],
    name: [{ family, given: ["Zoë"] }],
    gender: "female",
    birthDate: "1980-02-29",
  });
  check("medplum create", made.id && made.meta?.versionId, JSON.stringify(made));
  const read = await medplum.readResource("Patient", made.id, { cache: "reload" });
  check("medplum read", read.name[0].given[0] === "Zoë", JSON.stringify(read));
  const same = await medplum.createResourceIfNoneExist(
    { resourceType: "Patient", name: [{ family }] },
    `identifier=urn:example:real|medplum-${run}`,
  );
  check("medplum create if none exist", same.id === made.id, `${same.id} was made`);

  const updated = await medplum.updateResource({ ...read, gender: "other" });
  check("medplum update", updated.gender === "other" && updated.meta.versionId !== made.meta.versionId);
  const unchanged = await medplum.updateResource(updated);
  check("medplum update again", unchanged.id === made.id, JSON.stringify(unchanged));
  const patched = await medplum.patchResource("Patient", made.id, [
    { op: "replace", path: "/gender", value: "male" },
  ]);
  check("medplum patch", patched.gender === "male", JSON.stringify(patched));
  const history = await medplum.readHistory("Patient", made.id);
  check("medplum history", history.entry.length >= 3, `${history.entry.length} versions`);
  const before = await medplum.readVersion("Patient", made.id, made.meta.versionId);
  check("medplum version", before.gender === "female", before.gender);

  for (const value of [11, 12, 13, 14, 15]) await medplum.createResource(observation(made.id, value));
  const found = await medplum.searchResources("Observation", { patient: made.id, _sort: "-date" }, { cache: "reload" });
  check("medplum search", found.map((one) => one.valueQuantity.value).join() === "15,14,13,12,11", JSON.stringify(found));
  const one = await medplum.searchOne("Patient", `family=${family}`, { cache: "reload" });
  check("medplum search one", one?.id === made.id, JSON.stringify(one));
  let pages = 0;
  const seen = new Set();
  for await (const page of medplum.searchResourcePages("Observation", { patient: made.id, _count: 2 })) {
    pages += 1;
    page.forEach((resource) => seen.add(resource.id));
  }
  check("medplum pages", pages === 3 && seen.size === 5, `${seen.size} on ${pages} pages`);
  const everything = await medplum.readPatientEverything(made.id);
  check("medplum everything", everything.entry.length === 6, `${everything.entry.length} entries`);
  const summary = await medplum.readPatientSummary(made.id);
  check("medplum summary", summary.type === "document", summary.type);
  const outcome = await medplum.validateResource(observation(made.id, 16));
  check("medplum validate", outcome.issue.every((issue) => issue.severity !== "error"), JSON.stringify(outcome));

  const batch = await medplum.executeBatch({
    resourceType: "Bundle",
    type: "batch",
    entry: [
      { request: { method: "POST", url: "Observation" }, resource: observation(made.id, 17) },
      { request: { method: "GET", url: `Patient/${made.id}` } },
      { request: { method: "GET", url: `Patient/none-${run}` } },
    ],
  });
  const statuses = batch.entry.map((entry) => entry.response.status.slice(0, 3));
  check("medplum batch", statuses.join() === "201,200,404", JSON.stringify(batch));
  const name = `urn:uuid:${randomUUID()}`;
  const transaction = await medplum.executeBatch({
    resourceType: "Bundle",
    type: "transaction",
    entry: [
      {
        fullUrl: name,
        request: { method: "POST", url: "Patient" },
        resource: { resourceType: "Patient", name: [{ family: `${family}T` }] },
      },
      {
        request: { method: "POST", url: "Observation" },
        resource: { ...observation("x", 18), subject: { reference: name } },
      },
    ],
  });
  const both = transaction.entry.map((entry) => entry.response.status.slice(0, 3));
  check("medplum transaction", both.join() === "201,201", JSON.stringify(transaction));

  await refused("medplum not found", "not-found", () => medplum.readResource("Patient", `none-${run}`));
  await refused("medplum unknown parameter", "not-supported", () =>
    medplum.search("Patient", { shoesize: 42 }, { cache: "reload" }),
  );
  for (const id of seen) await medplum.deleteResource("Observation", id);
  await medplum.deleteResource("Patient", made.id);
  await refused("medplum deleted is gone", "deleted", () =>
    medplum.readResource("Patient", made.id, { cache: "reload" }),
  );
  ok("medplum");
} catch (error) {
  failed("medplum", `${error.stack} ${JSON.stringify(error.outcome ?? "")}`.slice(0, 800));
}
