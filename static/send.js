// A request whose upload and whose work can be watched: the answer comes line by line, each a JSON object.

import { say } from "./words.js";

const LINES = "application/x-ndjson";

export class Refused extends Error {
  constructor({ title, message }) {
    super(message);
    this.title = title;
  }
}

// What answers otherwise is not the program but what stands before it, such as nginx; it may have a limit of its own.
const ofProxy = (status) => status === 413
  ? new Refused({ title: say("tooMuchTitle"), message: say("tooMuch") })
  : new Error(`Status ${status}`);

// `uploaded` hears the sent fraction, `follow` each line; rejects with a Refused, an AbortError or another error.
export async function send(url, body, signal, uploaded, follow) {
  const request = new XMLHttpRequest();
  let read = 0;
  let ended = false;

  function lines() {
    if (request.getResponseHeader("Content-Type") !== LINES) throw ofProxy(request.status);
    const text = request.responseText;
    for (let end; (end = text.indexOf("\n", read)) >= 0; read = end + 1) {
      const line = JSON.parse(text.slice(read, end));
      if (line.error) throw new Refused(line.error);
      ended ||= "title" in line;
      follow(line);
    }
  }

  const finished = new Promise((resolve, reject) => {
    const attempt = (work) => () => {
      try { work(); } catch (error) { reject(error); request.abort(); }
    };
    request.upload.onprogress = (event) => uploaded(event.lengthComputable ? event.loaded / event.total : 0);
    request.upload.onload = () => uploaded(1);
    request.onprogress = attempt(lines);
    request.onload = attempt(() => {
      lines();
      if (!ended) throw new Error("The answer was cut short.");
      resolve();
    });
    request.onerror = () => reject(new Error("No connection"));
    request.onabort = () => reject(new DOMException("", "AbortError"));
  });
  request.open("POST", url);
  request.setRequestHeader("Accept", LINES);
  request.send(body);
  signal.addEventListener("abort", () => request.abort());
  await finished;
}
