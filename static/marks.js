// The findings of a study along the track of its slices.
const SVG = "http://www.w3.org/2000/svg";

function stripe(name, x, width) {
  const rect = document.createElementNS(SVG, "rect");
  const about = { class: name, x: `${x}%`, y: 0, width: `${width}%`, height: "100%" };
  for (const [key, value] of Object.entries(about)) rect.setAttribute(key, value);
  return rect;
}

function name({ label, uncertain }) {
  if (!label) return "refused";
  if (label === "notumor") return uncertain ? "uncertain" : "";
  return uncertain ? "uncertain" : "tumor";
}

// Returns a function that marks the slice that is shown.
export function marks(svg, slices) {
  const width = 100 / slices.length;
  slices.forEach((slice, index) => {
    if (name(slice)) svg.append(stripe(name(slice), index * width, width + 0.05));
  });
  const here = stripe("here", 0, Math.max(width, 0.8));
  svg.append(here);
  return (index) => here.setAttribute("x", `${index * width}%`);
}
