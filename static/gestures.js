// Mouse, touch and keys of a viewer.
const STEP = 0.08; // of the stage, by an arrow key
const SWIPE = 14; // CSS pixels of a finger's way, per slice

export function gestures(viewer) {
  const { stage } = viewer;
  const fingers = new Map();
  let spread = 0;
  let swiped = 0;
  const size = () => stage.getBoundingClientRect();
  const middle = () => {
    const all = [...fingers.values()];
    return { x: all.reduce((s, f) => s + f.x, 0) / all.length, y: all.reduce((s, f) => s + f.y, 0) / all.length };
  };
  const fromMiddle = ({ x, y }) => {
    const box = size();
    return { x: (x - box.left) / box.width - 0.5, y: (y - box.top) / box.height - 0.5 };
  };
  const apart = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
    if (fingers.size === 2) spread = apart();
    swiped = 0;
    if (event.button === 1) event.preventDefault();
  });

  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const start = middle();
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const box = size();
    const end = middle();
    const [dx, dy] = [end.x - start.x, end.y - start.y];
    if (fingers.size === 2) {
      viewer.zoom(apart() / spread, fromMiddle(end));
      spread = apart();
      viewer.pan(dx / box.width, dy / box.height);
    } else drag(event, dx, dy, box);
  });

  function drag(event, dx, dy, box) {
    const touch = event.pointerType === "touch";
    if (viewer.tool === "move" || event.shiftKey || event.buttons === 4 || (touch && !viewer.tool && viewer.view.zoom > 1)) {
      viewer.pan(dx / box.width, dy / box.height);
    } else if (viewer.tool === "contrast" || !touch) {
      viewer.window(1.006 ** dx, -dy * 0.6);
    } else if (viewer.study) {
      swiped += dx;
      const slices = Math.trunc(swiped / SWIPE);
      swiped -= slices * SWIPE;
      if (slices) viewer.go(viewer.index + slices);
    }
  }

  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }

  stage.addEventListener("wheel", (event) => {
    if (viewer.study && !event.ctrlKey) { // at the first and last slice the page scrolls on
      if (viewer.go(viewer.index + Math.sign(event.deltaY))) event.preventDefault();
    } else if (event.ctrlKey || document.activeElement === stage) {
      event.preventDefault();
      viewer.zoom(1.0015 ** -event.deltaY, fromMiddle({ x: event.clientX, y: event.clientY }));
    }
  }, { passive: false });
}

export function keys(viewer) {
  const arrows = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const slices = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e6, End: 1e6 };
  const others = {
    "+": () => viewer.act("larger"), "=": () => viewer.act("larger"), "-": () => viewer.act("smaller"),
    "[": () => viewer.window(1 / 1.1, 0), "]": () => viewer.window(1.1, 0),
    ",": () => viewer.window(1, -8), ".": () => viewer.window(1, 8),
    i: () => viewer.act("invert"), r: () => viewer.act("reset"),
    o: () => viewer.toggleOutline(), e: () => viewer.nextEvidence(),
  };
  viewer.stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (viewer.study && !event.shiftKey && key in slices) viewer.go(viewer.index + slices[key]);
    else if (key in arrows) viewer.pan(arrows[key][0] * STEP, arrows[key][1] * STEP);
    else if (key in others) others[key]();
    else if (/^[0-4]$/.test(key)) viewer.choose(Number(key));
    else return;
    event.preventDefault();
  });
}
