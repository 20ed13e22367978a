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

  // A region that somebody is using is left alone until they are done.
  const inUse = (region) => {
    const active = document.activeElement;
    if (active && active !== pause && region.contains(active)) return true;
    return region.querySelector("details[open]") !== null;
  };

  const swap = (region, fresh) => {
    if (region.innerHTML === fresh.innerHTML) return;
    region.replaceChildren(...fresh.childNodes);
    const quiet = region.dataset.region === "age" || region.dataset.region === "decision";
    if (quiet) return;
    region.classList.remove("changed");
    void region.offsetWidth;
    region.classList.add("changed");
  };

  const take = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    if (!page.querySelector("main[data-live]")) return location.reload();
    for (const region of main.querySelectorAll("[data-region]")) {
      const fresh = page.querySelector(`[data-region="${region.dataset.region}"]`);
      if (!fresh || inUse(region)) continue;
      pause.remove();
      swap(region, fresh);
    }
    if (page.title) document.title = page.title;
    const answer = main.querySelector("[data-announce]");
    announce(answer && answer.textContent.trim());
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
      if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
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
