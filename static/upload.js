// Niceties around a form that works without them: drop, paste, a preview, a check of the size before sending.
const form = document.querySelector(".upload");
const input = form.querySelector("input[type=file]");
const drop = form.querySelector(".drop");
const chosen = form.querySelector(".chosen");
const status = form.querySelector("[role=status]");
const button = form.querySelector("button");
const PREVIEWS = 8;

function preview(file) {
  const item = document.createElement("li");
  if (/^image\/(png|jpeg|webp|bmp)$/.test(file.type)) {
    const picture = document.createElement("img");
    picture.alt = "";
    const reader = new FileReader(); // a data: URL, the only other source of images that the page's policy allows
    reader.onload = () => { picture.src = reader.result; };
    reader.readAsDataURL(file);
    item.append(picture);
  }
  item.append(file.name);
  return item;
}

function show() {
  const files = [...input.files];
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  chosen.hidden = files.length === 0;
  chosen.replaceChildren(...files.slice(0, PREVIEWS).map(preview));
  if (files.length > PREVIEWS) {
    const more = document.createElement("li");
    more.textContent = `and ${files.length - PREVIEWS} more`;
    chosen.append(more);
  }
  const tooMuch = bytes > Number(input.dataset.maxBytes) || files.length > Number(input.dataset.maxFiles);
  status.textContent = tooMuch ? "This is more than can be sent at once. Please choose fewer or smaller files." : "";
}

function take(files) {
  if (files.length) {
    input.files = files;
    show();
  }
}

input.addEventListener("change", show);
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
}
drop.addEventListener("drop", (event) => take(event.dataTransfer.files));
document.addEventListener("paste", (event) => take(event.clipboardData.files));
form.addEventListener("submit", () => {
  button.disabled = true;
  status.textContent = "Analyzing…";
});
window.addEventListener("pageshow", () => { // also when the browser comes back to the page from its cache
  button.disabled = false;
  show();
});
