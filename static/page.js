// The start page with a script: files are chosen, sent and answered without leaving it. Without one, it is a plain form.
import { Chosen } from "./chosen.js";
import { listen, ofFolder } from "./drop.js";
import { Answer } from "./answer.js";
import { send } from "./send.js";
import { pack, needsPacking } from "./zip.js";
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
let request = null;
let from = null; // what had the focus when something was sent

function tell(files) {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const large = bytes >= 2 ** 20;
  const size = (bytes / (large ? 2 ** 20 : 1024)).toLocaleString(document.documentElement.lang, { maximumFractionDigits: large ? 1 : 0 });
  const text = [files.length ? say(large ? "chosen" : "chosenSmall", { count: files.length, size }) : ""];
  if (bytes > limits.bytes) text.push(say("tooMuch"));
  else if (needsPacking(files, limits.files)) text.push(say("packed"));
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
  form.toggleAttribute("aria-busy", is);
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

async function ask(body) {
  if (request) return;
  problem.hidden = true;
  busy(true);
  answer.begin(body.getAll("file"));
  request = send(form.action, body, uploaded, follow);
  try {
    await request.finished;
    status.textContent = "";
    answer.show();
  } catch (error) {
    if (error.name === "AbortError") status.textContent = say("canceled");
    else {
      status.textContent = "";
      complain(error.title ?? say("offlineTitle"), error.title ? error.message : say("offline"));
    }
  } finally {
    request = null;
    busy(false);
  }
}

async function body() {
  const data = new FormData();
  const files = needsPacking(chosen.files, limits.files) ? [await pack(chosen.files)] : chosen.files;
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
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (chosen.files.length) ask(await body());
  else complain(say("noneTitle"), say("none"));
});
document.querySelector(".sample-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(new FormData(event.target, event.submitter));
  form.scrollIntoView({ block: "nearest" });
});
find("[data-cancel]").addEventListener("click", () => request?.cancel());
