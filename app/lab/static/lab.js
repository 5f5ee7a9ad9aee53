// What is nicer with a script: copying a command, counting down, reading document.cookie. Every page
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
