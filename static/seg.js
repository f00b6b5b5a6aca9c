// The outlines of a series as DICOM SEG. It names the patient, so no page holds one: its files are sent once more, to the API.
import { say } from "./words.js";

export async function fetchSeg(button, files) {
  const status = button.parentElement.nextElementSibling;
  const body = new FormData();
  for (const file of files) body.append("file", file, file.name);
  button.disabled = true;
  status.textContent = say("segWaiting");
  try {
    const response = await fetch(button.dataset.seg, { method: "POST", body });
    status.textContent = response.ok ? say("segDone") : await problem(response);
    if (response.ok) save(await response.blob(), "mask.seg.dcm");
  } catch {
    status.textContent = say("offline");
  } finally {
    button.disabled = false;
  }
}

// In the program's words, or, where a proxy before it answers, in ours.
async function problem(response) {
  const byProgram = response.headers.get("Content-Type")?.startsWith("application/json");
  if (byProgram) return (await response.json()).error.message;
  return say(response.status === 413 ? "tooMuch" : "offline");
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be reading it
}
