"use strict";
(() => {
  const all = [...document.querySelectorAll(".incident")];
  const form = document.querySelector(".filters");
  const by = (name) => form.elements[name];
  const marks = [...document.querySelectorAll("svg [data-i]")];
  const key = (incident) => incident.dataset.k.split(",");
  const words = new Map();
  const parcels = [...document.querySelectorAll("noscript.parcel")];
  const text = (incident) => {
    if (!words.has(incident)) words.set(incident, incident.textContent.toLowerCase());
    return words.get(incident);
  };
  const count = document.querySelector(".filters output");

  // Incidents that the page holds as text: what comes of so many parcels is as if it had been in the list from the start.
  function unpack(number) {
    if (parcels.length === 0) return;
    for (const parcel of parcels.splice(0, number)) {
      const before = parcel.previousElementSibling;
      parcel.insertAdjacentHTML("beforebegin", parcel.textContent);
      for (let incident = before.nextElementSibling; incident !== parcel; incident = incident.nextElementSibling) all.push(incident);
      parcel.remove();
    }
    filter();
  }

  const soon = window.requestIdleCallback ?? setTimeout;
  function unpackIdly() {
    unpack(1);
    if (parcels.length > 0) soon(unpackIdly);
  }

  function filter() {
    const wanted = [by("cause").value, by("host").value, by("server").value];
    const search = by("search").value.trim().toLowerCase();
    const shown = new Set();
    for (const incident of all) {
      const own = key(incident);
      const fits = wanted.every((value, at) => value === "" || value === own[at]) && (search === "" || text(incident).includes(search));
      incident.hidden = !fits;
      if (fits) shown.add(incident.dataset.i);
    }
    if (parcels.length > 0) return;
    for (const mark of marks) mark.classList.toggle("off", !shown.has(mark.dataset.i));
    count.textContent = shown.size.toLocaleString("en") + " of " + all.length.toLocaleString("en") + " shown";
  }

  function reveal(incident) {
    incident.hidden = false;
    incident.open = true;
    incident.scrollIntoView({ block: "start" });
    incident.querySelector("summary").focus({ preventScroll: true });
  }

  function follow() {
    const id = location.hash.slice(1);
    if (id.startsWith("i-") && !document.getElementById(id)) unpack(Infinity);
    const target = document.getElementById(id);
    if (target && target.matches(".incident")) reveal(target);
  }

  function step(by) {
    const shown = all.filter((incident) => !incident.hidden);
    const at = shown.indexOf(document.activeElement.closest(".incident"));
    const next = shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)];
    if (next) {
      next.querySelector("summary").focus();
      next.scrollIntoView({ block: "nearest" });
    }
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    filter();
  }
  for (const button of document.querySelectorAll("button[data-k]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      form.reset();
      [by("cause").value, , by("server").value] = button.dataset.k.split(",");
      setTimeout(() => {
        filter();
        document.getElementById("incidents").scrollIntoView();
        by("cause").focus({ preventScroll: true });
      });
    });
  }
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#i-"]');
    if (link && (link.getAttribute("href") === location.hash || link.hash === location.hash)) follow();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !form) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      by("search").focus();
    } else if (event.key === "j" || event.key === "k") {
      step(event.key === "j" ? 1 : -1);
    }
  });
  let opened = [];
  addEventListener("beforeprint", () => {
    unpack(Infinity);
    opened = all.filter((incident) => !incident.hidden && !incident.open && incident.querySelector(".ladder")).slice(0, 30);
    for (const incident of opened) incident.open = true;
  });
  addEventListener("afterprint", () => {
    for (const incident of opened) incident.open = false;
  });
  follow();
  addEventListener("load", () => soon(unpackIdly));
})();
