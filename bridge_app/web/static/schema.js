// Showing a JSON Schema as a list of fields that can be read from top to bottom.

import { h, inline } from "./dom.js";

/** What is open at first: fields down to this depth. */
const OPEN_DEPTH = 2;
/** Longer patterns say less than the sentence beside them. */
const LONGEST_PATTERN = 32;

/** Return the value a local reference points to. */
export function follow(root, value) {
  if (!value || typeof value.$ref !== "string") return value;
  return value.$ref.slice(2).split("/").reduce(
    (found, part) => found[part.replaceAll("~1", "/").replaceAll("~0", "~")], root);
}

/** Return a schema with its references followed and its `allOf` merged; conditions are left to `notes`. */
export function flatten(root, schema) {
  const found = follow(root, schema) || {};
  return (found.allOf || []).map((part) => follow(root, part)).filter((part) => part.properties || part.type || "const" in part)
    .map((part) => flatten(root, part))
    .reduce(merge, { ...found, allOf: undefined, conditions: (found.allOf || []).filter((part) => part.description) });
}

function merge(one, other) {
  const properties = { ...one.properties };
  for (const [name, schema] of Object.entries(other.properties || {})) {
    properties[name] = properties[name] ? { allOf: [properties[name], schema] } : schema;
  }
  return { ...other, ...one, properties, required: [...(one.required || []), ...(other.required || [])] };
}

/** Return the list of a schema's fields, or one line for what is no object. */
export function schemaView(root, schema, depth = 0) {
  const flat = flatten(root, schema);
  const rows = fields(root, flat, depth);
  const notes = (flat.conditions || []).map((condition) => h("li", {}, inline(condition.description)));
  return h("div", { class: "schema" },
    depth === 0 && !rows.length ? typeLine(root, flat) : null,
    notes.length ? h("ul", { class: "notes" }, notes) : null,
    rows.length ? h("ul", { class: "fields" }, rows) : null);
}

function fields(root, schema, depth) {
  const rows = Object.entries(schema.properties || {}).map(([name, field]) =>
    row(root, name, field, (schema.required || []).includes(name), depth));
  for (const [pattern, field] of Object.entries(schema.patternProperties || {})) {
    if (rows.length) rows.push(h("li", { class: "field rest" }, inline(`${endings(pattern)}: `), typeLine(root, flatten(root, field))));
  }
  return rows;
}

function endings(pattern) {
  const match = /^\(([\w|]+)\)\$$/.exec(pattern);
  return match ? `any other \`…${match[1].replaceAll("|", "`, `…")}\`` : `names like \`${pattern}\``;
}

function row(root, name, field, required, depth) {
  const flat = flatten(root, field);
  const inner = nested(root, flat);
  const head = [
    h("code", { class: "name" }, name),
    required ? h("span", { class: "required" }, "required") : null,
    typeLine(root, flat),
    flat.description ? h("span", { class: "about" }, inline(flat.description)) : null,
  ];
  if (!inner) return h("li", { class: "field" }, head);
  return h("li", { class: "field" },
    h("details", { open: depth < OPEN_DEPTH - 1 }, h("summary", {}, head), schemaView(root, inner, depth + 1)));
}

/** Return the schema of the objects inside a value, null where there are none with named fields. */
function nested(root, schema) {
  const named = (one) => one.properties && Object.keys(one.properties).length > 0;
  if (named(schema)) return schema;
  if (schema.items) return nested(root, flatten(root, schema.items));
  for (const choice of schema.anyOf || []) {
    const found = nested(root, flatten(root, choice));
    if (found) return found;
  }
  return null;
}

function typeLine(root, schema) {
  const limits = constraints(schema);
  const words = values(schema);
  return h("span", { class: "type" }, typeText(root, schema),
    limits ? h("span", { class: "limits" }, limits) : null,
    words.map((word) => h("code", { class: "value" }, JSON.stringify(word))),
    anyCase(schema) ? h("span", { class: "limits" }, "in any case") : null,
    "default" in schema ? h("span", { class: "limits" }, "default ", h("code", {}, JSON.stringify(schema.default))) : null);
}

function values(schema) {
  if ("const" in schema) return [schema.const];
  const choice = schema.enum || (schema.anyOf || []).map((one) => one.enum).find(Boolean) || [];
  return choice.filter((word) => word !== null);
}

function anyCase(schema) {
  return (schema.anyOf || []).some((one) => one.enum) && (schema.anyOf || []).some((one) => one.pattern && !one.type);
}

/** Return the kind of a value in words. */
export function typeText(root, schema) {
  const kinds = [schema.type].flat().filter(Boolean);
  if (!kinds.length) {
    const choices = (schema.anyOf || schema.oneOf || []).map((one) => typeText(root, flatten(root, one)));
    if (choices.length) return [...new Set(choices)].join(" or ");
    if ("const" in schema) return typeof schema.const;
    return schema.enum ? "string" : "any";
  }
  return kinds.map((kind) => (kind === "array" ? arrayText(root, schema) : format(schema, kind))).join(" or ");
}

function format(schema, kind) {
  return kind === "string" && schema.format ? `string (${schema.format})` : kind;
}

function arrayText(root, schema) {
  return schema.items ? `array of ${typeText(root, flatten(root, schema.items))}` : "array";
}

function constraints(schema) {
  const found = [range(schema.minimum, schema.maximum, ""), range(schema.minLength, schema.maxLength, " characters"),
    range(schema.minItems, schema.maxItems, " elements")];
  if (schema.pattern === "\\S") found.push("not blank");
  else if (schema.pattern && !schema.description && schema.pattern.length <= LONGEST_PATTERN) found.push(schema.pattern);
  return found.filter(Boolean).join(", ");
}

function range(least, most, unit) {
  if (least !== undefined && most !== undefined) return `${least}–${most}${unit}`;
  if (least !== undefined) return `≥ ${least}${unit}`;
  return most === undefined ? "" : `≤ ${most}${unit}`;
}
