// What is nicer with a script: copying a command, counting down, asking the browser itself. Every page
// says the same without.
"use strict";

for (const code of document.querySelectorAll("[data-command]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  code.closest("figure").append(button);
}

const left = (seconds) => {
  if (seconds <= 0) return "over";
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  return parts
    .map(([size, unit]) => { const n = Math.floor(seconds / size); seconds %= size; return [n, unit]; })
    .filter(([n], index, all) => n || all.slice(0, index).some(([m]) => m))
    .slice(0, 3).map(([n, unit]) => `${n} ${unit}`).join(" ") || "0 s";
};
const countdowns = document.querySelectorAll("[data-countdown]");
const tick = () => {
  for (const element of countdowns) {
    element.textContent = left(Math.ceil(element.dataset.countdown - Date.now() / 1000));
  }
};
if (countdowns.length) { tick(); setInterval(tick, 1000); }

for (const element of document.querySelectorAll("[data-document-cookie]")) {
  element.textContent = JSON.stringify(document.cookie);
}
for (const element of document.querySelectorAll("[data-finds-cookie]")) {
  element.textContent = document.cookie.includes(`${element.dataset.findsCookie}=`);
}

// A cookie of 4,096 bytes, then one of 4,097 under the same name: which of them does the browser keep?
for (const element of document.querySelectorAll("[data-too-large]")) {
  const name = "__Host-size";
  const set = (value, end = "") => { document.cookie = `${name}=${value}; Path=/; Secure; SameSite=Strict${end}`; };
  const kept = () => document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`))?.length - 1 || 0;
  element.hidden = false;
  element.querySelector("button").addEventListener("click", () => {
    const sizes = [4096, 4097].map((size) => { set("x".repeat(size - name.length)); return kept(); });
    set("", "; Max-Age=0");
    element.querySelector("span").textContent = `Set with 4096 bytes: the browser has ${sizes[0]}. `
      + `Set again with 4097: it still has ${sizes[1]}, so the new value is lost.`;
  });
}
