// What scripts say, in the reader's language: templates/_script_words.html.
const words = JSON.parse(document.getElementById("words").dataset.words);

export function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
