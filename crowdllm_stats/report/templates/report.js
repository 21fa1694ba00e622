"use strict";
// Pictures: drawn as SVG, without tooltips or menus; formulas are interpreted, so that no text becomes code.
for (const place of document.querySelectorAll("[data-chart]")) {
  const chart = JSON.parse(document.getElementById(place.dataset.chart).textContent);
  const options = { actions: false, ast: true, defaultStyle: false, mode: "vega-lite", renderer: "svg", tooltip: false };
  place.textContent = "";
  const drawing = document.createElement("div");
  drawing.setAttribute("aria-hidden", "true");
  drawing.className = "chart";
  place.append(drawing);
  window.vegaEmbed(drawing, chart, options).then(
    () => place.setAttribute("data-drawn", ""),
    () => { place.textContent = "The picture could not be drawn; the table has all its numbers."; },
  );
}
// Tables: a click on a heading sorts by it, another one turns the order round; rows without a value stay last.
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const column = head.cellIndex, down = head.getAttribute("aria-sort") === "ascending";
    const key = (row) => {
      const cell = row.cells[column];
      return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
    };
    const rank = (value) => (typeof value === "number" ? 0 : value === "\u2013" ? 2 : 1);
    const compare = (one, other) =>
      typeof one === "number" ? one - other : one.localeCompare(other, undefined, { numeric: true });
    const rows = Array.from(body.rows, (row) => [key(row), row]);
    rows.sort(([one], [other]) => rank(one) - rank(other) || (rank(one) === 2 ? 0 : (down ? -1 : 1) * compare(one, other)));
    body.append(...rows.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  });
}
// On paper every table is open.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = Array.from(document.querySelectorAll("details:not([open])"));
  for (const one of opened) one.open = true;
});
window.addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
