// The answer: a table when there are several items, and one of them opened with its viewer.
import { sortable } from "./table.js";
import { Viewer } from "./viewer.js";
import { fetchSeg } from "./seg.js";

// A link within the page leaves no step in the history: Back leads from the answer to the question.
function within(event) {
  const link = event.target.closest("a[href^='#']");
  const to = link && document.getElementById(link.hash.slice(1));
  if (!to) return;
  event.preventDefault();
  to.scrollIntoView();
  to.focus({ preventScroll: true });
}

const HOME = ".brand, .sections [aria-current], [data-again]";
const AWAY = ".sections a:not([aria-current]), .language a";

// An answer is kept nowhere but in the page that shows it, so from there the links lead to a new tab.
function aside(link, is) {
  for (const [name, value] of [["target", "_blank"], ["aria-describedby", "aside"]]) {
    if (is) link.setAttribute(name, value);
    else link.removeAttribute(name);
  }
}

export class Answer {
  constructor(place, question) {
    this.place = place;
    this.question = question;
    this.home = document.title;
    if (history.state?.answer) history.replaceState(null, ""); // of an answer that went when the page was loaded anew
    addEventListener("popstate", (event) => this.turn(Boolean(event.state?.answer) && this.shown));
    document.addEventListener("click", (event) => this.shown && (within(event), this.leave(event)));
    this.shown = false;
  }

  // `files` are those that are sent. Until all of the answer is there, the one before it keeps its own: Forward leads to it.
  begin(files) {
    this.coming = { files, items: new Map() }; // number -> {slices, html}
  }

  take(line) {
    if (line.title) this.coming.around = line;
    else if (line.layers) this.item(line.item).slices.push(line.layers);
    else this.item(line.item).html = line.html;
  }

  item(number) {
    const { items } = this.coming;
    if (!items.has(number)) items.set(number, { slices: [], html: "" });
    return items.get(number);
  }

  show() {
    Object.assign(this, this.coming);
    this.place.innerHTML = this.around.html;
    this.shown = true;
    if (!history.state?.answer) history.pushState({ answer: true }, ""); // else it takes the place of the one that is shown
    this.turn(true);
    for (const button of this.place.querySelectorAll("[data-open]")) {
      button.addEventListener("click", () => this.open(Number(button.dataset.open), true));
    }
    this.place.querySelectorAll("table.batch").forEach(sortable);
    if (this.items.size === 1) this.open(this.items.keys().next().value, false);
    this.place.querySelector("#results").focus({ preventScroll: true });
  }

  open(number, jump) {
    const { html, slices } = this.items.get(number);
    const opened = this.place.querySelector("#opened");
    this.viewer?.close();
    opened.innerHTML = html;
    const box = opened.querySelector("[data-viewer]");
    this.viewer = box && new Viewer(box, slices);
    opened.querySelector("[data-print]")?.addEventListener("click", () => print());
    const seg = opened.querySelector("[data-seg]");
    seg?.addEventListener("click", () => fetchSeg(seg, seg.dataset.uploads.split(" ").map((number) => this.files[number])));
    for (const row of this.place.querySelectorAll("tr[aria-current]")) row.removeAttribute("aria-current");
    this.place.querySelector(`[data-open="${number}"]`)?.closest("tr").setAttribute("aria-current", "true");
    if (jump) {
      opened.scrollIntoView();
      opened.querySelector("h2").focus({ preventScroll: true });
    }
  }

  // The links to the start page lead back to the question, unless they are to be opened elsewhere.
  leave(event) {
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (this.place.hidden || elsewhere || !event.target.closest(HOME)) return;
    event.preventDefault();
    this.again();
  }

  // Back to the question; the files stay chosen.
  again() {
    if (this.question.hidden) history.back();
  }

  turn(toAnswer) {
    this.place.hidden = !toAnswer;
    this.question.hidden = toAnswer;
    document.title = toAnswer ? `${this.around.title} – EarlyMed` : this.home;
    for (const link of document.querySelectorAll(AWAY)) aside(link, toAnswer);
    scrollTo(0, 0);
    if (!toAnswer) document.getElementById("file").focus({ preventScroll: true });
  }
}
