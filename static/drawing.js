// One slice on a canvas: windowed, zoomed, with the outline and the evidence over it.
import { evidenceOf } from "./evidence.js";

function load(uri) {
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.src = uri;
  });
}

// Contrast 1 and brightness 0 show the picture as it came; `contrast` narrows the window, `brightness` moves it, in grays.
function windowed(image, { contrast, brightness, invert }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  if (contrast === 1 && brightness === 0 && !invert) return canvas;
  const table = Uint8ClampedArray.from({ length: 256 }, (_, gray) => {
    const value = (gray - 128) * contrast + 128 + brightness;
    return invert ? 255 - value : value;
  });
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    pixels.data[at] = pixels.data[at + 1] = pixels.data[at + 2] = table[pixels.data[at]];
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

export class Drawing {
  constructor(slice) {
    this.slice = slice;
    this.maps = new Map();
  }

  async prepare() {
    this.image ??= await load(this.slice.image);
    if (this.slice.outline) this.outline ??= await load(this.slice.outline);
  }

  gray(view) {
    const wanted = `${view.contrast} ${view.brightness} ${view.invert}`;
    if (this.made !== wanted) [this.made, this.windowed] = [wanted, windowed(this.image, view)];
    return this.windowed;
  }

  evidence(label) {
    if (!this.maps.has(label)) this.maps.set(label, evidenceOf(this.slice, label));
    return this.maps.get(label);
  }

  // The part of the canvas that the slice takes: {left, top, scale}, in the canvas's pixels.
  place(canvas, view) {
    const { width, height } = this.slice;
    const scale = Math.min(canvas.width / width, canvas.height / height) * view.zoom;
    return {
      left: (canvas.width - width * scale) / 2 + view.x * canvas.width,
      top: (canvas.height - height * scale) / 2 + view.y * canvas.height,
      scale,
    };
  }

  draw(canvas, view) {
    const context = canvas.getContext("2d");
    const { left, top, scale } = this.place(canvas, view);
    const { width, height, square, box } = this.slice;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, left, top);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.gray(view), 0, 0);
    if (view.label && this.slice.evidence) {
      context.save();
      context.beginPath();
      context.rect(box[0] * width, box[1] * width, (box[2] - box[0]) * width, (box[3] - box[1]) * width);
      context.clip();
      context.globalAlpha = view.opacity;
      context.drawImage(this.evidence(view.label), square[0] * width, square[1] * width, square[2] * width, square[2] * width);
      context.restore();
    }
    if (view.outline && this.outline) context.drawImage(this.outline, ...this.slice.outline_at);
  }
}
