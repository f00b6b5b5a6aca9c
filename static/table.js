// A table whose columns sort when their heads are pressed: numbers by size, texts by the language's order.

const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
}

export function sortable(table) {
  const body = table.tBodies[0];
  for (const head of table.tHead.querySelectorAll("[data-sortable]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const order = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      body.append(...[...body.rows].sort((a, b) => sign * compare(key(a, head.cellIndex), key(b, head.cellIndex))));
    });
  }
}
