// Keeps a page fresh: when the server says so, fetches it again and brings its live part up to date. Without this script the page is
// as of its loading.
"use strict";
(() => {
  const live = document.getElementById("live");
  const button = document.getElementById("pause");
  const stale = document.getElementById("stale");
  if (!live || !button || !stale) return;
  let paused = false;
  button.hidden = false;

  // Makes one element like another and touches only what differs: focus and the tables' scroll positions stay.
  const morph = (from, to) => {
    if (from.isEqualNode(to)) return;
    if (from.nodeName !== to.nodeName) return from.replaceWith(to);
    if (from.nodeType !== Node.ELEMENT_NODE) {
      from.data = to.data;
      return;
    }
    for (const name of from.getAttributeNames()) if (!to.hasAttribute(name)) from.removeAttribute(name);
    for (const { name, value } of to.attributes) from.setAttribute(name, value);
    const want = [...to.childNodes];
    while (from.childNodes.length > want.length) from.lastChild.remove();
    want.forEach((child, i) => (i < from.childNodes.length ? morph(from.childNodes[i], child) : from.append(child)));
  };

  const update = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    morph(live, page.getElementById("live"));
    morph(document.querySelector("footer time"), page.querySelector("footer time"));
  };
  // The server says when; the browser connects again by itself when that ends.
  let source, busy = false;
  const refresh = async () => {
    // Not under somebody who selects a URL to copy it.
    const selection = getSelection();
    if (busy || (!selection.isCollapsed && live.contains(selection.anchorNode))) return;
    busy = true;
    try {
      await update();
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
    busy = false;
  };
  const follow = () => {
    source?.close();
    if (paused || document.hidden) return; // nobody looks
    source = new EventSource("/live");
    source.addEventListener("tick", refresh);
    source.addEventListener("error", () => (stale.hidden = false));
  };
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause updates";
    follow();
  });
  document.addEventListener("visibilitychange", follow);
  follow();
})();
