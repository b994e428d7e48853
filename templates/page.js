"use strict";
(() => {
  const root = document.documentElement, key = "tickgate-theme", modes = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  let mode = "auto";
  try { mode = localStorage.getItem(key) || "auto"; } catch { /* no storage: the choice is not kept */ }
  if (!modes.includes(mode)) mode = "auto";
  const show = () => {
    root.classList.toggle("dark", mode === "dark");
    root.classList.toggle("light", mode === "light");
    button.textContent = "Theme: " + mode;
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    mode = modes[(modes.indexOf(mode) + 1) % modes.length];
    try { localStorage.setItem(key, mode); } catch { /* as above */ }
    show();
  });
  show();
  for (const copy of document.querySelectorAll("[data-copy]")) {
    copy.hidden = false;
    copy.addEventListener("click", () => {
      const range = document.createRange(), selection = getSelection();
      range.selectNodeContents(document.getElementById(copy.dataset.copy));
      selection.removeAllRanges();
      selection.addRange(range);
      copy.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
  }
})();
