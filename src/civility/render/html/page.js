"use strict";
// Veils, the place in the navigation, and copying. The page is whole without it, but for the texts, which stay hidden.
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

  // A box is a stop of the Tab key only while there is something to scroll to in it.
  const boxes = new ResizeObserver((entries) => {
    for (const { target } of entries) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  });
  document.querySelectorAll(".scroll").forEach((box) => boxes.observe(box));

  // Paper cannot be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((part) => (part.open = false)));

  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const told = document.getElementById("copied");
      try {
        await navigator.clipboard.writeText(source.textContent);
        told.textContent = "Copied.";
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      } catch {
        // Without the right to write the clipboard, the words are marked for the reader's own copying.
        getSelection().selectAllChildren(source);
        told.textContent = "Marked: copy with the keyboard.";
      }
    });
})();
