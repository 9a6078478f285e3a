// What pages do beside showing: parts that stay fresh, dialogs, copying. Without it all still works.
"use strict";

// Parts with data-refresh (seconds) are fetched again and exchanged where they have changed, but for
// those that somebody uses: has the focus in, or has ticked boxes of.
let fresh = new Date();

async function refresh() {
  const parts = [...document.querySelectorAll("[data-refresh]")];
  const used = (part) => (part.contains(document.activeElement) && document.activeElement !== document.body)
    || part.querySelector("input:checked");
  if (parts.length && !document.hidden && !document.querySelector("dialog[open]")) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      // Logged out, no longer there, or no longer allowed.
      if (answer.redirected || [403, 404].includes(answer.status)) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) {
        const made = page.getElementById(part.id);
        if (!made) part.removeAttribute("data-refresh");
        else if (!used(part) && made.outerHTML !== part.outerHTML) part.replaceWith(made);
      }
      fresh = new Date();
      tellAge("");
    } catch {  // the service restarts, for example
      tellAge(`Not current: this is of ${fresh.toISOString().slice(11, 19)} UTC.`);
    }
  }
  schedule();
}

function tellAge(words) {
  const place = document.getElementById("age");
  if (place.textContent === words) return;  // told once
  place.hidden = !words;
  place.textContent = words;
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
    openDialog(link).catch(() => { location.href = link.href; });
  }
  const copy = event.target.closest("button[data-copy]");
  if (copy) {
    const text = document.getElementById(copy.dataset.copy);
    const select = () => getSelection().selectAllChildren(text);  // there is no clipboard without TLS
    if (!navigator.clipboard) select();
    else navigator.clipboard.writeText(text.textContent).then(() => { copy.textContent = "Copied"; }, select);
  }
});

document.addEventListener("change", (event) => {
  const all = event.target.closest("input[data-all]");
  if (all) document.querySelectorAll(`input[name="${all.dataset.all}"]`).forEach((box) => { box.checked = all.checked; });
  const choice = event.target.closest("select[data-reload]");
  if (choice) choice.form.requestSubmit(choice.form.querySelector("button[formnovalidate]"));
});

schedule();
