// The page: loads both documents, shows them, and keeps filter, colours and the open card.

import { channelCards } from "./events.js";
import { breakable, h, inline, prose } from "./dom.js";
import { operationGroups } from "./operations.js";

const THEMES = ["auto", "light", "dark"];

async function load(name) {
  const response = await fetch(new URL(name, document.baseURI), { cache: "no-cache" });
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response.json();
}

function show(openapi, asyncapi) {
  const groups = operationGroups(openapi);
  const channels = channelCards(asyncapi);
  document.getElementById("version").textContent = openapi.info.version;
  document.getElementById("content").replaceChildren(
    intro(openapi),
    ...groups.map((group) => section(`tag-${group.name}`, group.name, prose(group.description), group.cards)),
    section("events", "events on Kafka", prose(asyncapi.info.description), channels),
    errors(openapi));
  document.getElementById("nav").replaceChildren(
    ...groups.map((group) => navGroup(group.name, group.cards)),
    navGroup("events", channels),
    h("p", { class: "group" }, h("a", { href: "#errors" }, "errors")));
  filterBy([...groups.flatMap((group) => group.cards), ...channels]);
}

function intro(openapi) {
  return h("section", { class: "intro" }, h("h1", {}, openapi.info.title), prose(openapi.info.description),
    h("p", { class: "links" },
      h("a", { href: "openapi.json" }, "openapi.json"), h("a", { href: "asyncapi.json" }, "asyncapi.json"),
      h("a", { href: "health" }, "health")));
}

function section(id, title, about, cards) {
  return h("section", { id, class: "group" }, h("h2", {}, title), about, cards.map((card) => card.element));
}

function errors(openapi) {
  const rows = Object.entries(openapi.components.responses).filter(([code]) => !code.includes("-")).map(([code, response]) =>
    h("tr", { id: `error-${code.toLowerCase()}` },
      h("th", { scope: "row" }, h("code", {}, code)), h("td", {}, statusOf(openapi, code)),
      h("td", {}, inline(response.description.replace(/^`[A-Z_]+`: /, "")))));
  return h("section", { id: "errors", class: "group" }, h("h2", {}, "errors"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Errors" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Code", "Status", "Meaning"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows))));
}

function statusOf(openapi, code) {
  return String(openapi.components.responses[code]["x-status"]);
}

function navGroup(name, cards) {
  return h("details", { open: true }, h("summary", {}, name), h("ul", {}, cards.map((card) =>
    h("li", { "data-for": card.id }, h("a", { href: `#${card.id}` },
      h("span", { class: `dot ${card.badge}`, "aria-hidden": "true" }), h("span", {}, breakable(card.label)))))));
}

function filterBy(cards) {
  const input = document.getElementById("filter");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      const hidden = !words.every((word) => card.text.toLowerCase().includes(word));
      card.element.hidden = hidden;
      document.querySelector(`[data-for="${card.id}"]`).hidden = hidden;
    }
    for (const group of document.querySelectorAll("section.group")) {
      const all = [...group.querySelectorAll(":scope > .card")];
      group.hidden = words.length > 0 && all.every((card) => card.hidden);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    input.focus();
  });
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.matches("details")) target.open = true;
  target.scrollIntoView();
  if (target.matches("details")) target.querySelector("summary").focus({ preventScroll: true });
}

function remembered() {
  try {
    return THEMES.includes(localStorage.theme) ? localStorage.theme : "auto";
  } catch {
    return "auto";
  }
}

function applyTheme(theme) {
  const button = document.getElementById("theme");
  document.documentElement.dataset.theme = theme;
  button.textContent = theme[0].toUpperCase() + theme.slice(1);
  button.title = `Colours: ${theme === "auto" ? "as the system has them" : theme}`;
  button.setAttribute("aria-label", button.title);
  try {
    localStorage.theme = theme;
  } catch {
    // without storage the choice lasts as long as the page
  }
}

function themes() {
  applyTheme(remembered());
  document.getElementById("theme").addEventListener("click", () => {
    const now = THEMES.indexOf(document.documentElement.dataset.theme);
    applyTheme(THEMES[(now + 1) % THEMES.length]);
  });
}

async function start() {
  themes();
  document.getElementById("credential").addEventListener("submit", (event) => event.preventDefault());
  try {
    const [openapi, asyncapi] = await Promise.all([load("openapi.json"), load("asyncapi.json")]);
    show(openapi, asyncapi);
    window.addEventListener("hashchange", openTarget);
    openTarget();
  } catch (error) {
    document.getElementById("content").replaceChildren(
      h("p", { class: "problem", role: "alert" }, `The documents could not be loaded: ${error.message}`));
  }
}

start();
