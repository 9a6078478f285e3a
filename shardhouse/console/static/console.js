// What pages do beside showing: parts that stay fresh, dialogs, copying. Without it all still works.
"use strict";

// Parts with data-refresh (seconds) are fetched again and exchanged where they have changed, but for
// those that somebody uses: has the focus in, or has ticked boxes or opened details of.
let fresh = new Date();

async function refresh() {
  const parts = [...document.querySelectorAll("[data-refresh]")];
  const used = (part) => (part !== document.activeElement && part.contains(document.activeElement))
    || part.querySelector("input:checked, details[open]");
  if (parts.length && !document.hidden && !document.querySelector("dialog[open]")) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      // Logged out, no longer there, or no longer allowed.
      if (answer.redirected || [403, 404].includes(answer.status)) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const page = parsed(await answer.text());
      for (const part of parts) {
        const made = page.getElementById(part.id);
        if (!made) part.removeAttribute("data-refresh");
        else if (!used(part) && made.outerHTML !== part.outerHTML) exchange(part, made);
      }
      fresh = new Date();
      tellAge("");
      showPicked();
    } catch {  // the service restarts, for example
      tellAge(`Not current: this is of ${fresh.toISOString().slice(11, 19)} UTC.`);
    }
  }
  schedule();
}

function exchange(part, made) {
  const [focused, left] = [part === document.activeElement, part.scrollLeft];
  part.replaceWith(made);
  made.scrollLeft = left;
  if (focused) made.focus();
}

function parsed(text) {
  return new DOMParser().parseFromString(text, "text/html");
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
  const page = parsed(await answer.text());
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
  form.querySelector("input:not([type=hidden]), select, textarea")?.focus();
}

// A field with data-reload changes other parts of its page, those with data-again: the server makes
// them anew of what is typed. What is typed meanwhile stays, and so does the focus.
let asked = 0;

async function makeAgain(form) {
  const number = ++asked;
  const typed = new URLSearchParams(new FormData(form, form.querySelector("button[formnovalidate]")));
  const answer = await fetch(form.action, { method: "POST", body: typed });
  if (number !== asked) return;  // somebody went on, and another answer is on its way
  if (answer.redirected || !answer.ok) throw new Error(answer.status);
  const page = parsed(await answer.text());
  for (const part of document.querySelectorAll("[data-again]")) {
    const made = page.getElementById(part.id);
    const focus = part.contains(document.activeElement) && document.activeElement.id;
    for (const field of part.querySelectorAll("input, select")) {
      const next = made.querySelector(`#${CSS.escape(field.id)}`);
      const possible = next && (!next.options || [...next.options].some((one) => one.value === field.value));
      if (possible) next.value = field.value;
    }
    part.replaceChildren(...made.childNodes);
    if (focus) document.getElementById(focus)?.focus();
  }
}

// A drawing of ranges with data-pick shows the moment of the field that it names, and takes another
// where somebody clicks: the nearest one that is in a range. Times are milliseconds since 1970.
function showPicked() {
  const drawing = document.querySelector("[data-pick]");
  if (!drawing) return;
  const [begin, end] = [Number(drawing.dataset.begin), Number(drawing.dataset.end)];
  const moment = Date.parse(`${document.getElementById(drawing.dataset.pick).value}Z`);
  const place = drawing.viewBox.baseVal.width * (moment - begin) / Math.max(end - begin, 1);
  const mark = drawing.querySelector(".picked");
  if (Number.isFinite(place)) for (const side of ["x1", "x2"]) mark.setAttribute(side, place);
  mark.toggleAttribute("hidden", !(place >= 0 && place <= drawing.viewBox.baseVal.width));
  document.getElementById("how-to-pick").hidden = false;
}

function pick(drawing, x) {
  const [begin, end] = [Number(drawing.dataset.begin), Number(drawing.dataset.end)];
  const box = drawing.getBoundingClientRect();
  const wanted = begin + (end - begin) * (x - box.left) / box.width;
  const nearest = [...drawing.querySelectorAll("[data-from]")]
    .map((bar) => Math.min(Math.max(wanted, Math.ceil(bar.dataset.from / 1000) * 1000), Number(bar.dataset.to)))
    .sort((one, other) => Math.abs(one - wanted) - Math.abs(other - wanted))[0];
  document.getElementById(drawing.dataset.pick).value = new Date(nearest).toISOString().slice(0, 19);
  showPicked();
}

document.addEventListener("click", (event) => {
  const drawing = event.target.closest("[data-pick]");
  if (drawing) pick(drawing, event.clientX);
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
    else navigator.clipboard.writeText(text.textContent).then(() => { copy.textContent = "Copied"; copy.removeAttribute("aria-label"); }, select);
  }
});

// Enter in a field presses its form's first button: if that is behind a question, it is asked first.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.closest("details.sure:not([open])");
  if (!question) return;
  event.preventDefault();
  question.open = true;
  event.submitter.focus();
});

document.addEventListener("change", (event) => {
  const all = event.target.closest("input[data-all]");
  if (all) document.querySelectorAll(`input[name="${all.dataset.all}"]`).forEach((box) => { box.checked = all.checked; });
  const field = event.target.closest("[data-reload]");
  if (field) makeAgain(field.form).catch(() => field.form.requestSubmit(field.form.querySelector("button[formnovalidate]")));
  showPicked();
});

showPicked();
schedule();
