// A request whose upload and whose work can be watched: the answer comes line by line, each a JSON object.

export class Refused extends Error {
  constructor({ title, message }) {
    super(message);
    this.title = title;
  }
}

// `uploaded` hears the sent fraction, `follow` each line; rejects with a Refused, an AbortError or another error.
export async function send(url, body, signal, uploaded, follow) {
  const request = new XMLHttpRequest();
  let read = 0;
  let ended = false;

  function lines() {
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
  request.setRequestHeader("Accept", "application/x-ndjson");
  request.send(body);
  signal.addEventListener("abort", () => request.abort());
  await finished;
}
