// Files and folders dropped anywhere on the page, and pictures that are pasted.

// What systems leave in folders, and the index of a CD, are no images; whoever chooses one by itself hears so.
const LITTER = /^(\.|(thumbs\.db|desktop\.ini|autorun\.inf|dicomdir)$)/i;
const inFolders = new WeakSet();
export const inFolder = (file) => inFolders.has(file);

export function ofFolder(files) {
  const kept = files.filter((file) => !LITTER.test(file.name));
  for (const file of kept) inFolders.add(file);
  return kept;
}

async function inside(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader gives a folder in portions, an empty one at the end
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const one of some) found.push(...(await inside(one)));
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = await Promise.all(entries.map(inside));
  return found.flatMap((files, number) => entries[number].isDirectory ? ofFolder(files) : files);
}

const TYPED = "input[type=text], textarea, [contenteditable]";
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

export function listen(form, take) {
  let depth = 0; // dragenter and dragleave come for every element on the way
  const over = (change) => {
    depth = Math.max(0, change);
    form.classList.toggle("dropping", depth > 0);
  };
  document.addEventListener("dragenter", (event) => { if (hasFiles(event)) over(depth + 1); });
  document.addEventListener("dragleave", (event) => { if (hasFiles(event)) over(depth - 1); });
  document.addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(0);
    const files = await dropped(event.dataTransfer);
    if (files.length) take(files);
  });
  document.addEventListener("paste", (event) => {
    if (event.target.closest?.(TYPED)) return; // cells of a table are pasted as text, and come with their picture
    const files = [...event.clipboardData.files];
    if (files.length) take(files);
  });
}
