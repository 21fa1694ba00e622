// What the page can do without: say at once that a file is too large, and that work is being done.
"use strict";

function sizes(form) {
  const files = [...form.querySelectorAll("input[type=file]")].flatMap((place) => [...place.files]);
  return files.reduce((sum, file) => sum + file.size, 0);
}

for (const form of document.querySelectorAll("form[data-working]")) {
  const status = form.querySelector("[role=status]");
  form.addEventListener("submit", (event) => {
    const most = Number(form.dataset.most || Infinity);
    if (sizes(form) > most * 1e6) {
      event.preventDefault();
      status.textContent = `These files are larger than ${most} MB together; give smaller ones.`;
      return;
    }
    status.textContent = form.dataset.working;
    form.querySelector("button").disabled = true;
  });
}

// Coming back with the browser's button: the form works again.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
  for (const status of document.querySelectorAll("form [role=status]")) status.textContent = "";
});

// A file may be dropped anywhere on its card; dropped beside, it would be shown in the place of the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
for (const card of document.querySelectorAll("form .place")) {
  const place = card.querySelector("input[type=file]");
  for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]])
    card.addEventListener(kind, () => card.classList.toggle("over", over));
  card.addEventListener("drop", (event) => {
    const [first] = event.dataTransfer.files;
    if (!first) return;
    const one = new DataTransfer();
    one.items.add(first);
    place.files = one.files;
    place.focus();
  });
}
