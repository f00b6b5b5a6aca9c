// The start page with a script: files are chosen, sent and answered without leaving it. Without one, it is a plain form.
import { bundle, Chosen } from "./chosen.js";
import { listen, ofFolder } from "./drop.js";
import { Answer } from "./answer.js";
import { Refused, send } from "./send.js";
import { say } from "./words.js";

const form = document.querySelector(".upload");
const find = (selector) => form.querySelector(selector);
const [status, progress, problem, submit] = [
  find("[data-status-line]"), find("[data-progress]"), find("[data-problem]"), find("[type=submit]"),
];
const bar = progress.querySelector("progress");
const input = find("#file");
const limits = { files: Number(input.dataset.maxFiles), bytes: Number(input.dataset.maxBytes) };
const chosen = new Chosen(find("[data-chosen]"), tell);
const answer = new Answer(document.getElementById("answer"), document.getElementById("ask"));
const UNREADABLE = ["NotFoundError", "NotReadableError", "SecurityError"]; // of a file that was moved, changed or locked
let request = null; // the AbortController of what is being packed, sent or answered
let from = null; // what had the focus when something was sent

const total = (files) => files.reduce((sum, file) => sum + file.size, 0);

function tell(files) {
  const bytes = total(files);
  const large = bytes >= 2 ** 20;
  const digits = { maximumFractionDigits: large ? 1 : 0 };
  const size = (bytes / (large ? 2 ** 20 : 1024)).toLocaleString(document.documentElement.lang, digits);
  const text = [files.length ? say(large ? "chosen" : "chosenSmall", { count: files.length, size }) : ""];
  const { together, beside } = bundle(files, limits.files);
  if (total(beside) > limits.bytes) text.push(say("tooMuch")); // how large a ZIP is shows when it is packed
  else if (together.length) text.push(say(beside.length ? "packedSome" : "packed"));
  status.textContent = text.join(". ");
  problem.hidden = true;
}

// Both come as HTML, escaped by the server.
function complain(title, message) {
  problem.querySelector("h2").innerHTML = title;
  problem.querySelector("p").innerHTML = message;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

// Keys lead from the progress to its Cancel; afterwards they are where they were, unless the answer has them.
function busy(is) {
  const held = progress.contains(document.activeElement);
  if (is) from = document.activeElement;
  progress.hidden = !is;
  submit.disabled = is;
  submit.hidden = is;
  if (is) progress.focus({ preventScroll: true });
  else if (held) from.focus({ preventScroll: true });
}

function step(key, value, values) {
  status.textContent = say(key, values);
  if (value === null) bar.removeAttribute("value");
  else bar.value = value;
}

function follow(line) {
  if (line.of === 0) step("reading", null);
  else if (line.of) step(line.done === line.of ? "drawing" : "analyzing", line.done / line.of, line);
  else answer.take(line);
}

function uploaded(fraction) {
  if (fraction < 1) step("uploading", fraction, { percent: Math.round(100 * fraction) });
  else step("waiting", null);
}

// Reading a file cannot be stopped, and may take long; who cancels does not wait for it.
const canceled = (signal) => new Promise((_, reject) => {
  signal.addEventListener("abort", () => reject(signal.reason));
});

async function ask(prepare) {
  if (request) return;
  problem.hidden = true;
  busy(true);
  request = new AbortController();
  const { signal } = request;
  try {
    const body = await Promise.race([prepare(signal), canceled(signal)]);
    answer.begin(body.getAll("file"));
    await send(form.action, body, signal, uploaded, follow);
    status.textContent = "";
    answer.show();
  } catch (error) {
    status.textContent = error.name === "AbortError" ? say("canceled") : "";
    if (error instanceof Refused) complain(error.title, error.message);
    else if (UNREADABLE.includes(error.name)) complain(say("goneTitle"), say("gone"));
    else if (error.name !== "AbortError") complain(say("offlineTitle"), say("offline"));
  } finally {
    request = null;
    busy(false);
  }
}

async function body(signal) {
  const { together, beside } = bundle([...chosen.files], limits.files);
  const files = [...beside];
  if (together.length) {
    step("reading", null);
    const { pack } = await import("./zip.js"); // few need it
    const zip = await pack(together, limits.bytes - total(beside), signal);
    if (!zip) throw new Refused({ title: say("tooMuchTitle"), message: say("tooMuch") });
    files.unshift(zip);
  }
  await Promise.all(files.map((file) => file.slice(0, 1).arrayBuffer())); // a request does not tell that a file is gone
  const data = new FormData();
  for (const file of files) data.append("file", file, file.name);
  return data;
}

form.classList.add("scripted");
find("[data-scripted]").hidden = false;
input.addEventListener("change", () => {
  chosen.add([...input.files]);
  input.value = ""; // so that a file that was removed can be chosen again
});
find("[data-folder]").addEventListener("change", (event) => {
  chosen.add(ofFolder([...event.target.files]));
  event.target.value = "";
});
listen(form, (files) => {
  if (request) return;
  answer.again();
  chosen.add(files);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen.files.length) ask(body);
  else complain(say("noneTitle"), say("none"));
});
document.querySelector(".sample-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(() => new FormData(event.target, event.submitter));
  form.scrollIntoView({ block: "nearest" });
});
find("[data-cancel]").addEventListener("click", () => request?.abort());
