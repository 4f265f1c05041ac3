// Small conveniences. Every page works without this file.
"use strict";

(() => {
  // Hours of the reader's own clock, as a tooltip on each UTC time.
  const localTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.getAttribute("datetime"));
      if (!Number.isNaN(moment.valueOf())) time.title = `${moment.toLocaleString()} (your time)`;
    }
  };

  // Buttons with data-copy="#id" are hidden in the page and shown only where copying works.
  const copyButtons = (root) => {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("button[data-copy]")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        const source = document.querySelector(button.dataset.copy);
        await navigator.clipboard.writeText((source.value ?? source.textContent).trim());
        button.textContent = "Copied";
      });
    }
  };

  // Elements with data-key="a" act on that key where the page has data-keys and no field has the focus.
  // A box on such a page turns single keys off (WCAG 2.1.4); the choice is kept on this device.
  const switchOf = (root) => root.querySelector("[data-keys-switch]");
  const keysSwitch = (root) => {
    const box = switchOf(root);
    if (!box) return;
    box.closest("[hidden]")?.removeAttribute("hidden");
    box.checked = localStorage.getItem("keys") !== "off";
    box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
  };
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
  document.addEventListener("keydown", (event) => {
    if (!document.querySelector("[data-keys]") || localStorage.getItem("keys") === "off") return;
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input[type=radio]")) {
      target.checked = true;
      target.focus();
    } else if (target.matches("a[href^='#']")) {
      document.querySelector(target.getAttribute("href"))?.focus();
    } else {
      target.focus();
    }
  });

  const enhance = (root) => {
    localTimes(root);
    copyButtons(root);
    keysSwitch(root);
  };
  document.addEventListener("DOMContentLoaded", () => enhance(document));
  document.addEventListener("htmx:load", (event) => event.detail.elt !== document.body && enhance(event.detail.elt));
})();
