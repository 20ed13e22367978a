"use strict";
// Opens a ward pack: the code becomes a key, the key opens the content. Nothing leaves this file.
(() => {
  const by = (id) => document.getElementById(id);
  const front = by("front"), pack = by("pack"), band = by("band"), said = by("said");
  // Taken before anything is changed: the seal is bound to these texts.
  const around = [
    document.querySelector("meta[http-equiv]").content, front.textContent, by("meta").textContent,
  ].join("\n");
  const meta = JSON.parse(by("meta").textContent);
  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  document.title = `Ward pack ${meta.ward}`;
  front.querySelector("h1").textContent = `Ward ${meta.ward}`;

  const span = (ms) => {
    const minutes = Math.floor(ms / 60000);
    if (minutes < 1) return "less than a minute";
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
  };
  const age = () => {
    const old = Date.now() - meta.made;
    const late = old > meta.old_ms;
    band.className = late ? "band loud" : "band";
    const how = old < -120000 ? "this computer's clock is wrong" : `${span(Math.max(old, 0))} old`;
    band.textContent = `${late ? "▲ OLD " : ""}COPY of ward ${meta.ward} as of ${meta.made_words} (${how}). `
      + (late ? "What happened since is not in it: ask." : "");
  };
  age();
  setInterval(age, 10000);

  const typed = (text) => text.toUpperCase().replace(/[^0-9A-Z]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  const open = async (code) => {
    const text = new TextEncoder();
    const base = await crypto.subtle.importKey("raw", text.encode(typed(code)), "PBKDF2", false, ["deriveKey"]);
    const key = await crypto.subtle.deriveKey(
      { name: "PBKDF2", hash: "SHA-256", salt: bytes(meta.salt), iterations: meta.rounds },
      base, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
    const sealed = bytes(by("sealed").textContent);
    const plain = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: sealed.subarray(0, 12), additionalData: text.encode(around) },
      key, sealed.subarray(12));
    const stream = new Blob([plain]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  // How often it was opened here: counted by this browser, typed in afterwards. The letters behind the
  // count say that whoever made them had the code.
  const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const count = async (code) => {
    const name = `salus-openings-${meta.ward}`;
    let known = { times: 0, since: Date.now() }, kept = true;
    try {
      known = JSON.parse(localStorage.getItem(name)) || known;
      known.times += 1;
      localStorage.setItem(name, JSON.stringify(known));
    } catch {
      kept = false;
    }
    if (!kept) return "this browser keeps no count: write each opening on paper";
    const text = `salus/openings/v1\n${meta.ward}\n${typed(code)}\n${known.times}`;
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
    const bits = (hash[0] << 16 | hash[1] << 8 | hash[2]) >> 4;
    const check = [15, 10, 5, 0].map((shift) => letters[(bits >> shift) & 31]).join("");
    const day = new Date(known.since).toISOString().slice(0, 10);
    return `opened ${known.times} times on this computer since ${day}; its number for Downtime: ${known.times}-${check}`;
  };

  let idle = 0;
  const lock = () => {
    pack.textContent = "";
    document.body.className = "closed";
    by("code").value = "";
    clearTimeout(idle);
  };
  const touch = () => {
    clearTimeout(idle);
    if (document.body.className === "open") idle = setTimeout(lock, meta.lock_ms);
  };
  for (const what of ["keydown", "pointerdown", "scroll"]) addEventListener(what, touch, { passive: true });

  by("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!globalThis.crypto?.subtle || !globalThis.DecompressionStream) {
      said.textContent = "This browser is too old to open it: use Chrome or Edge 80, Firefox 113, Safari 16.4 or newer.";
      return;
    }
    said.textContent = "Opening …";
    const began = performance.now();
    try {
      pack.innerHTML = await open(by("code").value);
    } catch {
      said.textContent = "It does not open: the code is another one, or the file was altered. Codes change; look at the date on the card.";
      return;
    }
    said.textContent = "";
    const counted = await count(by("code").value);
    by("code").value = "";
    for (const one of pack.querySelectorAll("[data-openings]")) one.textContent = counted;
    document.body.className = "open";
    document.body.dataset.openedMs = Math.round(performance.now() - began);
    for (const one of pack.querySelectorAll("[data-asof]")) one.textContent = meta.made_words;
    for (const one of pack.querySelectorAll("[data-head]")) {
      one.textContent = meta.head.root ? `record ${meta.head.size} ${meta.head.root}` : "record not published yet";
    }
    pack.querySelector("h1")?.focus();
    touch();
  });

  pack.addEventListener("input", (event) => {
    if (event.target.id !== "find") return;
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of pack.querySelectorAll("[data-find]")) {
      one.hidden = !words.every((word) => one.dataset.find.includes(word));
    }
  });

  // What is printed: the whole ward, one patient, the medication sheets, the blank sheets.
  pack.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-print]");
    if (event.target.closest("button[data-lock]")) return lock();
    if (!button) return;
    for (const one of pack.querySelectorAll(".chosen")) one.classList.remove("chosen");
    button.closest("article")?.classList.add("chosen");
    document.body.dataset.print = button.dataset.print;
    document.body.dataset.one = button.closest("article") ? "yes" : "no";
    print();
  });
})();
