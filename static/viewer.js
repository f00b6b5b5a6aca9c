// The viewer of an item: which slice is shown, how, and what lies over it. Gestures and keys are in gestures.js.
import { Drawing } from "./drawing.js";
import { gestures, keys } from "./gestures.js";
import { marks } from "./marks.js";

const START = { zoom: 1, x: 0, y: 0, contrast: 1, brightness: 0, invert: false };
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const SHARPEST = 2; // canvas pixels per CSS pixel at most

export class Viewer {
  constructor(box, slices) {
    this.box = box;
    this.find = (selector) => box.querySelector(selector);
    this.stage = this.find(".stage");
    this.canvas = this.find(".stage canvas");
    this.drawings = slices.map((slice) => new Drawing(slice));
    this.view = { ...START, outline: true, label: "", opacity: 0.6 };
    this.tool = "";
    this.index = Number(box.dataset.shown);
    this.study = slices.length > 1;
    if (this.study) this.mark = marks(this.find("[data-marks]"), slices);
    this.sizes = new ResizeObserver(() => this.fit());
    this.sizes.observe(this.stage);
    this.controls();
    gestures(this);
    keys(this);
    this.go(this.index);
    this.forPrint();
  }

  close() { this.sizes.disconnect(); }

  get slice() { return this.drawings[this.index].slice; }

  controls() {
    this.find("[data-outline]").addEventListener("change", (event) => this.change({ outline: event.target.checked }));
    this.find("[data-opacity]").addEventListener("input", (event) => this.change({ opacity: event.target.value / 100 }));
    for (const radio of this.box.querySelectorAll(".choices input")) {
      radio.addEventListener("change", () => this.change({ label: radio.value }));
    }
    for (const button of this.box.querySelectorAll("[data-tool]")) {
      button.addEventListener("click", () => this.take(this.tool === button.dataset.tool ? "" : button.dataset.tool));
    }
    for (const button of this.box.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.act(button.dataset.do));
    }
    this.find("[data-slice]")?.addEventListener("input", (event) => this.go(event.target.value - 1));
  }

  // What the drag of a mouse or finger does from now on; "" is the mouse's contrast, and lets a finger scroll the page.
  take(tool) {
    this.tool = this.stage.dataset.tool = tool;
    for (const button of this.box.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.touch();
  }

  act(what) {
    if (what === "larger") this.zoom(1.25);
    else if (what === "smaller") this.zoom(0.8);
    else if (what === "invert") this.change({ invert: !this.view.invert });
    else if (what === "reset") {
      this.take("");
      this.change(START);
    }
  }

  toggleOutline() { this.find("[data-outline]").click(); }

  // The nth of the choices; 0 is none.
  choose(n) { this.box.querySelectorAll(".choices input")[n]?.click(); }

  nextEvidence() {
    const choices = [...this.box.querySelectorAll(".choices input")];
    this.choose((choices.findIndex((choice) => choice.checked) + 1) % choices.length);
  }

  // Around a point, given in fractions of the stage from its middle.
  zoom(factor, at = { x: 0, y: 0 }) {
    const zoom = clamp(this.view.zoom * factor, 1, 12);
    const by = zoom / this.view.zoom;
    this.move({ zoom, x: at.x - (at.x - this.view.x) * by, y: at.y - (at.y - this.view.y) * by });
  }

  pan(x, y) { this.move({ x: this.view.x + x, y: this.view.y + y }); }

  move(to) {
    const reach = ((to.zoom ?? this.view.zoom) - 1) / 2 + 0.001;
    this.change({ ...to, x: clamp(to.x, -reach, reach), y: clamp(to.y, -reach, reach) });
  }

  window(contrast, brightness) {
    this.change({
      contrast: clamp(this.view.contrast * contrast, 0.2, 12),
      brightness: clamp(this.view.brightness + brightness, -255, 255),
    });
  }

  change(changes) {
    Object.assign(this.view, changes);
    this.find("[data-do=invert]").setAttribute("aria-pressed", String(this.view.invert));
    this.find("[data-opacity]").disabled = !this.view.label; // without evidence there is no color
    this.touch();
    this.draw();
  }

  touch() { this.stage.dataset.free = String(Boolean(this.tool) || this.view.zoom > 1); }

  // Shows a slice; false when there is none further on.
  go(index) {
    const to = clamp(index, 0, this.drawings.length - 1);
    const moved = to !== this.index;
    this.index = to;
    if (this.study) {
      this.find("[data-slice-words]").textContent = this.slice.words;
      this.canvas.setAttribute("aria-label", this.slice.words);
      const range = this.find("[data-slice]");
      range.value = to + 1;
      range.setAttribute("aria-valuetext", this.slice.words);
      this.mark(to);
    }
    this.draw();
    return moved;
  }

  fit() {
    const sharp = Math.min(devicePixelRatio, SHARPEST);
    this.canvas.width = Math.round(this.stage.clientWidth * sharp);
    this.canvas.height = Math.round(this.stage.clientHeight * sharp);
    this.draw();
  }

  async draw() {
    const drawing = this.drawings[this.index];
    await drawing.prepare();
    if (drawing === this.drawings[this.index]) drawing.draw(this.canvas, this.view);
  }

  // The report's pictures show the item's own slice as it came, whatever the viewer shows.
  async forPrint() {
    const drawing = new Drawing(this.slice);
    await drawing.prepare();
    for (const canvas of this.box.querySelectorAll("[data-print]")) {
      [canvas.width, canvas.height] = [this.slice.width, this.slice.height];
      const label = canvas.dataset.print === "evidence" ? canvas.dataset.label : "";
      drawing.draw(canvas, { ...START, outline: true, label, opacity: 0.6 });
    }
  }
}
