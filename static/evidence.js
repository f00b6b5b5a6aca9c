// The network's coarse evidence map in color, as model/overlay.py draws it: interpolated, the stronger the lighter and denser.
import { say } from "./words.js";

const LABELS = ["glioma", "meningioma", "notumor", "pituitary"]; // model/labels.py
const SIDE = 256;
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const colors = bytes(say("colors"));

// A canvas of SIDE x SIDE that covers the network's square view, transparent where nothing speaks for the class.
export function evidenceOf(slice, label) {
  const values = bytes(slice.evidence);
  const n = Math.sqrt(values.length / LABELS.length);
  const map = values.subarray(LABELS.indexOf(label) * n * n, (LABELS.indexOf(label) + 1) * n * n);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const level = Math.round(((between(map, n, x, y) - 128) / 127) * 255);
      if (level <= 0) continue;
      const at = 4 * (y * SIDE + x);
      image.data.set(colors.subarray(3 * level, 3 * level + 3), at);
      image.data[at + 3] = Math.min(255, 2 * level);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function between(map, n, x, y) {
  const place = (p) => Math.min(n - 1, Math.max(0, ((p + 0.5) * n) / SIDE - 0.5));
  const [u, v] = [place(x), place(y)];
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const [right, bottom] = [Math.min(n - 1, left + 1), Math.min(n - 1, top + 1)];
  const row = (r) => map[r * n + left] * (1 - (u - left)) + map[r * n + right] * (u - left);
  return row(top) * (1 - (v - top)) + row(bottom) * (v - top);
}
