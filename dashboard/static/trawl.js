// Keeps the overview fresh: fetches the page again and puts its live part in place of the old one. Without this script the page
// is as of its loading.
"use strict";
(() => {
  const live = document.getElementById("live");
  const button = document.getElementById("pause");
  if (!live || !button) return;
  const every = 2000;
  let paused = false;
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
  });
  const refresh = async () => {
    // Not while nobody looks, nor under somebody who reads: a selection or a focused link would be lost.
    const busy = live.contains(document.activeElement) || !getSelection().isCollapsed;
    if (!paused && !document.hidden && !busy) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          live.replaceChildren(...page.getElementById("live").childNodes);
          const time = document.querySelector("footer time");
          time.replaceWith(page.querySelector("footer time"));
        }
      } catch {
        // The server is away: the footer's time says how old this is.
      }
    }
    setTimeout(refresh, every);
  };
  setTimeout(refresh, every);
})();
