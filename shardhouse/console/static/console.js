// What pages do beside showing: parts that stay fresh, dialogs, copying. Without it all still works.
"use strict";

// Parts with data-refresh (seconds) are fetched again and exchanged where they have changed.
async function refresh() {
  const parts = [...document.querySelectorAll("[data-refresh]")];
  const used = (part) => part.contains(document.activeElement) && document.activeElement !== document.body;
  if (parts.length && !document.hidden && !document.querySelector("dialog[open]")) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected) return location.reload();  // logged out
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts) {
          const fresh = page.getElementById(part.id);
          if (!fresh) part.removeAttribute("data-refresh");
          else if (!used(part) && fresh.outerHTML !== part.outerHTML) part.replaceWith(fresh);
        }
        document.body.removeAttribute("data-unreachable");
      }
    } catch { document.body.setAttribute("data-unreachable", ""); }  // the service restarts
  }
  schedule();
}

function schedule() {
  const pauses = [...document.querySelectorAll("[data-refresh]")].map((part) => Number(part.dataset.refresh));
  if (pauses.length) setTimeout(refresh, 1000 * Math.min(...pauses));
}

// Links with data-dialog open the form of the page they lead to over this one.
async function openDialog(link) {
  const answer = await fetch(link.href);
  if (!answer.ok || answer.redirected) { location.href = link.href; return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const dialog = document.createElement("dialog");
  const title = page.querySelector("h1");
  title.id = "dialog-title";
  dialog.setAttribute("aria-labelledby", title.id);
  const form = page.querySelector("main form");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Cancel";
  close.addEventListener("click", () => dialog.close());
  form.append(" ", close);
  dialog.append(title, form);
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    openDialog(link);
  }
  const copy = event.target.closest("button[data-copy]");
  if (copy) {
    navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent)
      .then(() => { copy.textContent = "Copied"; });
  }
});

document.addEventListener("change", (event) => {
  const all = event.target.closest("input[data-all]");
  if (all) document.querySelectorAll(`input[name="${all.dataset.all}"]`).forEach((box) => { box.checked = all.checked; });
  const choice = event.target.closest("select[data-reload]");
  if (choice) choice.form.requestSubmit(choice.form.querySelector("button[formnovalidate]"));
});

schedule();
