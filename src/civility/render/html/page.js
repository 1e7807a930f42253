"use strict";
// Hidden texts, the place in the navigation, and copying. Without it the page is complete, and the texts stay hidden.
(() => {
  const veils = [...document.querySelectorAll(".unveil")];
  function show(button, shown) {
    document.getElementById(button.getAttribute("aria-controls")).hidden = !shown;
    button.setAttribute("aria-expanded", String(shown));
    button.firstElementChild.textContent = shown ? "Hide" : "Show";
  }
  for (const button of veils)
    button.addEventListener("click", () => show(button, button.getAttribute("aria-expanded") !== "true"));
  const all = document.getElementById("show-all");
  if (veils.length) document.getElementById("show-all-part").hidden = false;
  all.addEventListener("change", () => veils.forEach((button) => show(button, all.checked)));

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
      const first = [...links.keys()].find((key) => seen.has(key));
      for (const [key, link] of links)
        key === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    },
    { rootMargin: "-15% 0px -60% 0px" },
  );
  document.querySelectorAll("section[id]").forEach((section) => watcher.observe(section));

  // The Tab key stops at a box only while it can scroll.
  const boxes = new ResizeObserver((entries) => {
    for (const { target } of entries) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  });
  document.querySelectorAll(".scroll").forEach((box) => boxes.observe(box));

  // Nobody can open a fold on paper.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((part) => (part.open = false)));

  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const status = document.getElementById("copied");
      try {
        await navigator.clipboard.writeText(source.textContent);
        status.textContent = "Copied.";
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      } catch {
        // Without permission to write to the clipboard, select the words for the reader to copy.
        getSelection().selectAllChildren(source);
        status.textContent = "Selected: copy with the keyboard.";
      }
    });
})();
