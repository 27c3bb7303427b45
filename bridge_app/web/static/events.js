// The events on Kafka: one card for each topic, with what is sent to it and read from it.

import { h, inline, json, prose, slug } from "./dom.js";
import { once } from "./operations.js";
import { follow, schemaView } from "./schema.js";

const DAY = 24 * 3600 * 1000;
const HOUR = 3600 * 1000;

/** Return the cards of all channels; topics of dead letters come last, folded into one card. */
export function channelCards(asyncapi) {
  const names = Object.keys(asyncapi.channels);
  const letters = names.filter((name) => isLetters(asyncapi, name));
  const cards = names.filter((name) => !letters.includes(name)).map((name) => channelCard(asyncapi, name));
  return letters.length ? [...cards, lettersCard(asyncapi, letters)] : cards;
}

function isLetters(asyncapi, name) {
  return Object.keys(asyncapi.channels[name].messages).join() === "dlq.message";
}

function directions(asyncapi, name) {
  return Object.values(asyncapi.operations).filter((one) => one.channel.$ref === `#/channels/${name}`);
}

function channelCard(asyncapi, name) {
  const channel = asyncapi.channels[name];
  const id = `topic-${slug(name)}`;
  const actions = directions(asyncapi, name).map((one) => one.action).sort();
  const card = h("details", { class: "card", id }, h("summary", {},
    actions.map((action) => h("span", { class: `method ${action}` }, action === "send" ? "SENDS" : "READS")),
    h("code", { class: "path" }, channel.address),
    h("span", { class: "summary" }, storage(channel))));
  once(card, () => card.append(h("div", { class: "card-body" },
    Object.entries(channel.messages).map(([key, message]) => messageView(asyncapi, key, follow(asyncapi, message))))));
  const text = [name, ...Object.keys(channel.messages)].join(" ");
  return { id, element: card, label: name, badge: actions.includes("send") ? "send" : "receive", text };
}

function lettersCard(asyncapi, names) {
  const id = "topic-dead-letters";
  const message = follow(asyncapi, Object.values(asyncapi.channels[names[0]].messages)[0]);
  const card = h("details", { class: "card", id }, h("summary", {},
    h("span", { class: "method send" }, "SENDS"), h("code", { class: "path" }, "dead letters"),
    h("span", { class: "summary" }, `${names.length} topics, ${storage(asyncapi.channels[names[0]])}`)));
  once(card, () => card.append(h("div", { class: "card-body" },
    h("p", {}, names.flatMap((name) => [h("code", {}, asyncapi.channels[name].address), " "])),
    messageView(asyncapi, "dlq.message", message))));
  return { id, element: card, label: "dead letters", badge: "send", text: `dead letters dlq ${names.join(" ")}` };
}

function storage(channel) {
  const kafka = channel.bindings.kafka;
  const retention = kafka.topicConfiguration["retention.ms"];
  const kept = retention === undefined ? "compacted" : `kept ${duration(retention)}`;
  return `${kafka.partitions} partition${kafka.partitions === 1 ? "" : "s"}, ${kept}`;
}

function duration(milliseconds) {
  if (milliseconds % DAY === 0) return `${milliseconds / DAY} d`;
  return milliseconds % HOUR === 0 ? `${milliseconds / HOUR} h` : `${milliseconds / 60000} min`;
}

function messageView(asyncapi, key, message) {
  const details = h("details", { class: "response" }, h("summary", {},
    h("code", { class: "name" }, message.title || key), h("span", {}, inline(message.summary || ""))));
  once(details, () => details.append(messageBody(asyncapi, message)));
  return details;
}

function messageBody(asyncapi, message) {
  const binding = message.bindings && message.bindings.kafka;
  const examples = (message.examples || []).map((example) => json(example.payload));
  return h("div", {},
    prose(message.description),
    binding ? h("p", {}, "Key: ", inline(binding.key.description), ".") : null,
    h("div", { class: "columns" },
      h("div", {}, h("h5", {}, "Value"), schemaView(asyncapi, message.payload)),
      examples.length ? h("div", {}, h("h5", {}, "Example"), examples) : null));
}
