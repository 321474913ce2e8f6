"use strict";
// Without this the page is as true as when it was loaded.
const show = (id, text) => { document.getElementById(id).textContent = text; };
const refresh = async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status);
    const now = await answer.json();
    for (const [id, text] of Object.entries(now.texts)) show(id, text);
    for (const [id, points] of Object.entries(now.lines))
      document.getElementById(id).setAttribute("points", points);
    show("freshness", "Updated every five seconds.");
  } catch {
    show("freshness", "The relay does not answer now; these are its last figures.");
  }
};
setInterval(refresh, 5000);
refresh();
