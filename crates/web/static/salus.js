// Keeps marked regions of a page up to date, and says when it no longer can. Pages work without it.
"use strict";

(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;

  const every = Math.max(2, Number(main.dataset.live)) * 1000;
  const longest = 60000;
  const state = { paused: false, failures: 0, since: new Date(), said: "", saidAt: 0 };

  const voice = document.createElement("p");
  voice.className = "hidden";
  voice.setAttribute("role", "status");
  document.body.append(voice);

  const pause = document.createElement("button");
  pause.className = "quiet";
  pause.type = "button";
  pause.textContent = "Pause updates";
  pause.addEventListener("click", () => {
    state.paused = !state.paused;
    pause.textContent = state.paused ? "Resume updates" : "Pause updates";
    main.classList.toggle("paused", state.paused);
    if (!state.paused) look();
  });

  const age = () => main.querySelector(".age");
  const showPause = () => {
    const line = age();
    if (line && !line.contains(pause)) line.append(" ", pause);
  };

  // At most one announcement in five seconds, and never the same twice in a row.
  const announce = (words) => {
    const now = Date.now();
    if (!words || words === state.said || now - state.saidAt < 5000) return;
    state.said = words;
    state.saidAt = now;
    voice.textContent = words;
  };

  const places = "a, button, summary, [tabindex]";

  // What somebody has opened, or has the keyboard on, stays so. No region is ever left old: the
  // line that says how old the page is speaks for all of them.
  const swap = (region, fresh) => {
    const open = [...region.querySelectorAll("details")].map((one) => one.open);
    const focused = [...region.querySelectorAll(places)].indexOf(document.activeElement);
    region.replaceChildren(...fresh.childNodes);
    region.querySelectorAll("details").forEach((one, place) => { one.open = open[place] || false; });
    const again = focused < 0 ? null : region.querySelectorAll(places)[focused];
    if (again) again.focus({ preventScroll: true });
  };

  // What the page answers, without the ages that change all the time.
  const answered = () => {
    const answer = main.querySelector("[data-announce]");
    return answer ? answer.dataset.announce : "";
  };

  const take = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    if (!page.querySelector("main[data-live]")) return location.reload();
    const before = answered();
    const held = document.activeElement === pause;
    pause.remove();
    for (const region of main.querySelectorAll("[data-region]")) {
      const fresh = page.querySelector(`[data-region="${region.dataset.region}"]`);
      if (fresh && fresh.innerHTML !== region.innerHTML) swap(region, fresh);
    }
    showPause();
    if (held) pause.focus({ preventScroll: true });
    if (page.title) document.title = page.title;
    if (answered() === before) return;
    const answer = main.querySelector("[data-announce]");
    if (!answer) return;
    answer.classList.add("changed");
    announce(answer.textContent.trim());
  };

  // What the line under the heading said before the server fell silent.
  let spoken = null;

  const arrived = (html) => {
    state.failures = 0;
    state.since = new Date();
    main.classList.remove("stale");
    const line = age();
    if (line) line.classList.remove("stale");
    if (line && spoken !== null) line.innerHTML = spoken;
    spoken = null;
    if (html) take(html);
    showPause();
  };

  const failed = () => {
    state.failures += 1;
    if (state.failures < 2) return;
    const line = age();
    const clock = state.since.toLocaleTimeString();
    const words = `Salus does not answer since ${clock}. This page shows what was known then. `;
    main.classList.add("stale");
    if (line) {
      pause.remove();
      if (spoken === null) spoken = line.innerHTML;
      line.classList.add("stale");
      const dot = document.createElement("span");
      dot.className = "pulse";
      line.replaceChildren(dot, words, pause);
    }
    announce(words);
  };

  const look = async () => {
    if (state.paused || document.hidden) return;
    try {
      const headers = { "Salus-Live": main.dataset.version || "0" };
      const answer = await fetch(location.href, { headers, redirect: "manual", cache: "no-store" });
      // Signed out, or no longer allowed: what is shown has to go.
      const refused = answer.status >= 400 && answer.status < 500;
      if (answer.type === "opaqueredirect" || refused) return location.reload();
      if (!answer.ok) return failed();
      const version = answer.headers.get("Salus-Version");
      if (version) main.dataset.version = version;
      arrived(answer.status === 204 ? "" : await answer.text());
    } catch {
      failed();
    }
  };

  const next = () => {
    const wait = Math.min(longest, every * 2 ** Math.min(state.failures, 4));
    setTimeout(async () => { await look(); next(); }, wait);
  };

  main.classList.add("live");
  showPause();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  next();
})();

// What a session showed goes when it ends or pauses; while the server is silent it stays: a ward reads it
// then. What was typed stays, unseen, until the session goes on in another tab.
(() => {
  const token = document.querySelector('form[action="/sign-out"] [name=csrf]');
  if (!token) return;
  const body = document.body;
  const gone = document.createElement("p");
  const on = document.createElement("a");
  gone.className = "note warn";
  [on.href, on.target, on.innerText] = [location.href, "_blank", "Go on"];
  gone.append("Your session pauses or has ended. What stood here comes back when it goes on. ", on);
  const typed = (one) => one.type !== "hidden" && one.value !== one.defaultValue;
  const ask = async () => {
    const headers = { "Salus-Session": token.value };
    const { status } = await fetch("/account/alive", { headers, cache: "no-store" }).catch(() => token);
    if (status === 204 && body.hidden) {
      if (!body.childElementCount) location.replace(location.href);
      body.hidden = false;
      gone.remove();
    }
    if (status !== 401 || body.hidden) return;
    if (![...document.querySelectorAll("main input, main textarea")].some(typed)) body.replaceChildren();
    body.hidden = true;
    body.after(gone);
    document.title = "Salus";
  };
  setInterval(ask, 20000);
  document.addEventListener("visibilitychange", ask);
  window.addEventListener("pageshow", ask);
})();

// Passkeys: fills a plain form in with what the browser's authenticator says, and sends it.
(() => {
  document.documentElement.classList.add("scripted");
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (form) => form.dataset.known.split(" ").filter(Boolean)
    .map((id) => ({ type: "public-key", id: bytes(id) }));

  const get = async (form) => {
    const { response, rawId } = await navigator.credentials.get({ publicKey: {
      challenge: bytes(form.dataset.challenge), rpId: form.dataset.host,
      allowCredentials: known(form), userVerification: "required" } });
    return { credential: rawId, client_data: response.clientDataJSON,
      authenticator_data: response.authenticatorData, signature: response.signature };
  };

  const create = async (form) => {
    const id = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`salus/${form.dataset.account}`));
    const { response } = await navigator.credentials.create({ publicKey: {
      challenge: bytes(form.dataset.challenge), rp: { id: form.dataset.host, name: "Salus" },
      user: { id, name: form.dataset.account, displayName: form.dataset.person },
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: known(form), attestation: "none",
      authenticatorSelection: { residentKey: "required", userVerification: "required" } } });
    return { client_data: response.clientDataJSON, attestation: response.attestationObject };
  };

  const send = async (form) => {
    const said = form.querySelector("[data-said]");
    said.textContent = "";
    try {
      const parts = await (form.dataset.passkey === "get" ? get(form) : create(form));
      for (const [name, part] of Object.entries(parts)) form.elements[name].value = text(part);
      form.submit();
    } catch (error) {
      said.textContent = error.name === "InvalidStateError" ? "That device has a passkey here already."
        : "No passkey was used. Try again, or go another way.";
    }
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!window.PublicKeyCredential) continue;
    form.hidden = false;
    if (form.dataset.origin !== location.origin) {
      const there = document.createElement("a");
      there.href = form.dataset.origin + location.pathname + location.search;
      there.textContent = `Passkeys work at ${form.dataset.origin}`;
      form.replaceChildren(there);
      continue;
    }
    form.addEventListener("submit", (event) => { event.preventDefault(); send(form); });
  }
})();
