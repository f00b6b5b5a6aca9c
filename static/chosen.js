// The files that are to be sent: looked at, and taken out again, before anything leaves the browser.
import { inFolder } from "./drop.js";
import { say } from "./words.js";

const PICTURES = /^image\/(png|jpeg|webp|bmp)$/;
const PREVIEWS = 60; // more are counted, not drawn

const isDicom = (file) => /\.(dcm|ima)$/i.test(file.name) || !file.name.includes(".");
const isOther = (file) => /\.\d*[a-z]\w*$/i.test(file.name) && !isDicom(file); // 1.2.840.10008 has no ending

// What is sent together in a ZIP, and what beside it. Several DICOM files are slices of a series; other files are packed only
// when there are more than may come one by one, or when they lie in a folder: a disc's pictures belong to its viewer.
export function bundle(files, most) {
  if (files.filter(isDicom).length > 1) {
    const beside = files.filter((file) => isOther(file) && !inFolder(file));
    if (beside.length < most) return { together: files.filter((file) => !beside.includes(file)), beside };
  } else if (files.length <= most) return { together: [], beside: files };
  return { together: files, beside: [] };
}

function kind(file) {
  const name = file.name.toLowerCase();
  if (name.endsWith(".zip")) return "ZIP";
  if (/\.nii(\.gz)?$/.test(name)) return "NIfTI";
  if (/\.tiff?$/.test(name)) return "TIFF";
  if (isDicom(file)) return "DICOM";
  return name.split(".").pop().slice(0, 5).toUpperCase();
}

function picture(file) {
  const place = document.createElement("div");
  place.className = "kind";
  place.textContent = kind(file);
  if (PICTURES.test(file.type)) {
    const image = new Image();
    image.alt = "";
    const reader = new FileReader(); // a data: URL, the only other source of images that the page's policy allows
    reader.onload = () => { image.src = reader.result; };
    image.onload = () => place.replaceWith(image);
    reader.readAsDataURL(file);
  }
  return place;
}

export class Chosen {
  // `list` shows them, `changed` hears of all that are chosen after each change.
  constructor(list, changed) {
    this.list = list;
    this.changed = changed;
    this.files = [];
  }

  add(files) {
    this.files.push(...files);
    this.show();
  }

  show() {
    this.list.hidden = !this.files.length;
    const items = this.files.slice(0, PREVIEWS).map((file) => this.item(file));
    if (this.files.length > PREVIEWS) {
      const more = document.createElement("li");
      more.textContent = `+ ${this.files.length - PREVIEWS}`;
      items.push(more);
    }
    this.list.replaceChildren(...items);
    this.changed(this.files);
  }

  item(file) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = name.title = file.name;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", say("remove", { name: file.name }));
    remove.addEventListener("click", () => {
      const at = this.files.indexOf(file);
      this.files.splice(at, 1);
      this.show();
      const left = this.list.querySelectorAll("button");
      (left[Math.min(at, left.length - 1)] ?? document.getElementById("file")).focus();
    });
    item.append(picture(file), name, remove);
    return item;
  }
}
