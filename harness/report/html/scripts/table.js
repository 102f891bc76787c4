// Adds sorting and filtering to tables of class "sorts"; without it they are read as they stand.
"use strict";
(() => {
  const figure = (text) => {
    const found = text.replace(/,/g, "").match(/^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?/);
    return found && !/^\d{4}-/.test(text) ? Number(found[0]) : null;
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const [x, y] = [figure(a), figure(b)];
    if (x !== null && y !== null && x !== y) return x - y;
    return a < b ? -1 : a > b ? 1 : 0;
  };
  for (const table of document.querySelectorAll("table.sorts")) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const said = table.parentElement.parentElement.querySelector(".said");
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const keyed = rows.map((row) => [row.cells[column].textContent.trim(), row]);
        keyed.sort((a, b) => {
          if (a[0] === "" || b[0] === "") return compare(a[0], b[0]);
          return down ? compare(b[0], a[0]) : compare(a[0], b[0]);
        });
        body.append(...keyed.map((pair) => pair[1]));
      });
    });
    const form = table.parentElement.parentElement.querySelector(".filter");
    if (!form) continue;
    form.hidden = false;
    const input = form.querySelector("input");
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let seen = 0;
      for (const row of rows) {
        row.hidden = !words.every((word) => texts.get(row).includes(word));
        seen += row.hidden ? 0 : 1;
      }
      said.textContent = words.length ? `${seen} of ${rows.length}` : "";
    };
    input.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
})();
