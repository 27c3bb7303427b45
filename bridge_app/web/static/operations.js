// The routes: one card for each, grouped by tag.

import { breakable, h, inline, json, prose, slug } from "./dom.js";
import { flatten, follow, schemaView, typeText } from "./schema.js";
import { tryIt } from "./tryit.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

/** Return [{name, description, cards}], in the order of the document's tags. */
export function operationGroups(openapi) {
  const cards = Object.entries(openapi.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
  return openapi.tags.map((tag) => ({
    ...tag,
    cards: cards.filter((card) => card.operation.tags.includes(tag.name)).map((card) => operationCard(openapi, card)),
  }));
}

/** Return the id of an operation's card. */
function cardId(operation) {
  return `route-${slug(operation.operationId)}`;
}

function operationCard(openapi, { path, method, operation }) {
  const id = cardId(operation);
  const card = h("details", { class: "card", id });
  card.append(h("summary", {},
    h("span", { class: `method ${method}` }, method.toUpperCase()),
    h("code", { class: "path" }, breakable(path)),
    h("span", { class: "summary" }, inline(operation.summary)),
    operation.security.length ? h("span", { class: "lock", title: "Needs a credential when authentication is on" }, scope(operation)) : null));
  once(card, () => card.append(body(openapi, path, method, operation)));
  return { id, element: card, label: path, badge: method, text: `${method} ${path} ${operation.summary}` };
}

function scope(operation) {
  return operation.security.flatMap((one) => Object.values(one)).flat()[0] || "credential";
}

/** Fill an element when it is opened for the first time. */
export function once(details, fill) {
  details.addEventListener("toggle", () => { if (details.open) fill(); }, { once: true });
}

function body(openapi, path, method, operation) {
  return h("div", { class: "card-body" },
    prose(operation.description),
    tryIt(openapi, path, method, operation),
    parameters(openapi, operation),
    requestBody(openapi, operation),
    responses(openapi, operation));
}

function parameters(openapi, operation) {
  const all = operation.parameters.map((parameter) => follow(openapi, parameter));
  const own = all.filter((parameter) => parameter.in !== "header");
  if (!own.length) return null;
  return h("section", {}, h("h4", {}, "Parameters"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Parameters" },
      h("table", {},
        h("thead", {}, h("tr", {}, ["Name", "In", "Type", "Meaning"].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, own.map((parameter) => parameterRow(openapi, parameter))))));
}

function parameterRow(openapi, parameter) {
  const schema = flatten(openapi, parameter.schema);
  const words = (schema.enum || []).map((word) => h("code", { class: "value" }, String(word)));
  const standard = "default" in schema ? [" Default ", h("code", {}, String(schema.default)), "."] : [];
  return h("tr", {},
    h("th", { scope: "row" }, h("code", {}, parameter.name), parameter.required ? h("span", { class: "required" }, "required") : null),
    h("td", {}, parameter.in),
    h("td", {}, typeText(openapi, schema), bounds(schema)),
    h("td", {}, inline(parameter.description || schema.description || ""), standard, words.length ? [" ", words] : null));
}

function bounds(schema) {
  return schema.minimum !== undefined && schema.maximum !== undefined ? ` ${schema.minimum}–${schema.maximum}` : "";
}

function requestBody(openapi, operation) {
  if (!operation.requestBody) return null;
  const content = operation.requestBody.content["application/json"];
  return h("section", {}, h("h4", {}, "Body"), schemaView(openapi, content.schema));
}

function responses(openapi, operation) {
  const found = Object.entries(operation.responses).map(([status, response]) =>
    responseView(openapi, status, follow(openapi, response)));
  return h("section", {}, h("h4", {}, "Answers"), found);
}

function responseView(openapi, status, response) {
  const details = h("details", { class: "response" },
    h("summary", {}, h("span", { class: `status s${status[0]}` }, status), h("span", {}, prose(response.description))));
  once(details, () => {
    const contents = Object.entries(response.content || {});
    details.append(contents.length ? h("div", {}, contents.map(([type, content]) => contentView(openapi, type, content))) : h("p", {}, "Without a body."));
  });
  return details;
}

function contentView(openapi, type, content) {
  const examples = "example" in content ? [content.example] : Object.values(content.examples || {}).map((one) => one.value);
  return h("div", { class: "columns" },
    h("div", {}, h("h5", {}, type), schemaView(openapi, content.schema)),
    examples.length ? h("div", {}, h("h5", {}, "Example"), examples.map(json)) : null);
}
