// The form that sends a request to this worker and shows the answer.

import { copyButton, h, json } from "./dom.js";
import { flatten, follow } from "./schema.js";

/** Longer answers are cut: the page stays usable. */
const SHOWN_CHARACTERS = 200000;

/** Return the form of an operation, folded. */
export function tryIt(openapi, path, method, operation) {
  const parameters = operation.parameters.map((parameter) => follow(openapi, parameter));
  const inputs = parameters.map((parameter) => ({ parameter, input: inputOf(openapi, parameter) }));
  const body = operation.requestBody ? bodyInput(operation.requestBody.content["application/json"]) : null;
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const request = () => requestOf(path, method, inputs, body);
  const form = h("form", { class: "try-form" },
    fieldset("Parameters", inputs.filter(({ parameter }) => parameter.in !== "header")),
    body ? body.element : null,
    folded("Headers", inputs.filter(({ parameter }) => parameter.in === "header")),
    h("div", { class: "actions" },
      h("button", { type: "submit", class: "primary" }, "Send"),
      copyButton("Copy as curl", () => curl(request())),
      h("span", { class: "hint" }, "Ctrl+Enter sends, too")),
    answer);
  form.addEventListener("submit", (event) => { event.preventDefault(); send(form, request(), answer); });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return h("details", { class: "try" }, h("summary", {}, "Try it"), form);
}

function fieldset(title, inputs) {
  if (!inputs.length) return null;
  return h("fieldset", {}, h("legend", {}, title), inputs.map(labelled));
}

function folded(title, inputs) {
  return inputs.length ? h("details", {}, h("summary", {}, title), h("div", { class: "inputs" }, inputs.map(labelled))) : null;
}

function labelled({ parameter, input }) {
  return h("label", {}, h("code", {}, parameter.name), input);
}

function inputOf(openapi, parameter) {
  const schema = flatten(openapi, parameter.schema);
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const required = parameter.required || null;
  if (choices) {
    return h("select", { name: parameter.name, required },
      parameter.required ? null : h("option", { value: "" }, ""), choices.map((choice) => h("option", {}, String(choice))));
  }
  const example = parameter.required && schema.examples ? schema.examples[0] : null;
  return h("input", {
    name: parameter.name, required, value: example, autocomplete: "off", spellcheck: "false",
    placeholder: "default" in schema ? String(schema.default) : null,
    inputmode: ["integer", "number"].includes(schema.type) ? "decimal" : null,
  });
}

function bodyInput(content) {
  const examples = Object.entries(content.examples || {});
  const text = h("textarea", { rows: "14", spellcheck: "false", "aria-label": "Body, JSON", required: true });
  const problem = h("p", { class: "problem", role: "alert" });
  const show = (value) => { text.value = JSON.stringify(value, null, 2); check(); };
  const check = () => { problem.textContent = jsonProblem(text.value); };
  text.addEventListener("input", check);
  if (examples.length) show(examples[0][1].value);
  const choice = h("select", { onchange: (event) => show(content.examples[event.target.value].value) },
    examples.map(([name]) => h("option", {}, name)));
  const element = h("fieldset", {}, h("legend", {}, "Body"),
    examples.length > 1 ? h("label", {}, "Example", choice) : null, text, problem);
  return { element, value: () => text.value };
}

function jsonProblem(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return `Not JSON: ${error.message}`;
  }
}

function requestOf(path, method, inputs, body) {
  const headers = credential();
  const query = new URLSearchParams();
  let filled = path;
  for (const { parameter, input } of inputs) {
    if (input.value === "") continue;
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "query") query.append(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  const url = new URL(filled.slice(1) + (query.size ? `?${query}` : ""), document.baseURI);
  return { url, method: method.toUpperCase(), headers, body: body ? body.value() : undefined };
}

function credential() {
  const { scheme, secret } = Object.fromEntries(new FormData(document.getElementById("credential")));
  if (!secret) return {};
  return { [scheme]: scheme === "Authorization" ? `Bearer ${secret}` : secret };
}

async function send(form, request, answer) {
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  const started = performance.now();
  try {
    const { url, ...options } = request;
    const response = await fetch(url, { ...options, redirect: "follow", cache: "no-store" });
    const text = await response.text();
    answer.replaceChildren(...answerView(response, text, performance.now() - started));
  } catch (error) {
    answer.replaceChildren(h("p", { class: "problem" }, `No answer: ${error.message}`));
  } finally {
    button.disabled = false;
  }
}

function answerView(response, text, milliseconds) {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    h("p", { class: "outcome" },
      h("span", { class: `status s${String(response.status)[0]}` }, String(response.status)),
      `${response.statusText} in ${milliseconds.toFixed(0)} ms`),
    h("details", {}, h("summary", {}, "Headers"), h("pre", { class: "code", tabindex: "0" }, headers)),
    text ? json(pretty(text)) : h("p", {}, "Without a body."),
  ];
}

function pretty(text) {
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}\n…` : text;
  try {
    return JSON.stringify(JSON.parse(shown), null, 2);
  } catch {
    return shown;
  }
}

function curl({ url, method, headers, body }) {
  const parts = ["curl -s", method === "GET" ? "" : `-X ${method}`, quoted(url.href)];
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) parts.push(`-d ${quoted(body)}`);
  return parts.filter(Boolean).join(" ");
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
