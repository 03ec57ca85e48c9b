// Keeps the page fresh without a reload, so that scrolling and selecting go on. Without it the page is complete.
"use strict";
(() => {
  const every = 2000, patience = 10000;
  const live = document.getElementById("live");
  const button = live.querySelector("button");
  const status = live.querySelector("[role=status]");
  if (document.querySelector("meta[http-equiv=refresh]")) return; // the reader chose another way

  let on = true, busy = false;

  const say = (text) => { if (status.textContent !== text) status.textContent = text; };

  async function update() {
    if (!on || busy || document.hidden) return;
    if (!document.getSelection().isCollapsed) return; // somebody is copying a line
    busy = true;
    try {
      const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(patience) });
      if (!response.ok) throw new Error(response.status);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("map");
      if (!fresh) throw new Error("not the page");
      if (on) swap(document.getElementById("map"), fresh);
      say("");
    } catch {
      say("The agent does not answer; this is what it last showed.");
    }
    busy = false;
  }

  // swap keeps where the reader has scrolled a wide table to, and the focus on it.
  function swap(old, fresh) {
    const boxes = [...old.querySelectorAll(".scroll")];
    const at = boxes.map((e) => e.scrollLeft), focused = boxes.indexOf(document.activeElement);
    old.replaceChildren(...fresh.childNodes);
    old.querySelectorAll(".scroll").forEach((e, i) => {
      e.scrollLeft = at[i] || 0;
      if (i === focused) e.focus({ preventScroll: true });
    });
  }

  button.addEventListener("click", () => {
    on = !on;
    button.setAttribute("aria-pressed", String(on));
    say(on ? "" : "Paused.");
    update();
  });
  document.addEventListener("visibilitychange", update);
  live.hidden = false;
  setInterval(update, every);
})();
