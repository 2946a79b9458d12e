import { hash } from "node:crypto";
import { invalidMessageContents, invalidParameter, missingParameter } from "./errors.ts";

export interface MessageAttribute {
  DataType: string;
  StringValue?: string;
  /** Base64, as it travels in JSON. */
  BinaryValue?: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** What a producer asks to have sent. */
export interface Draft {
  body: string;
  attributes: MessageAttributes;
  traceHeader?: string | undefined;
  groupId?: string | undefined;
  deduplicationId?: string | undefined;
  delaySeconds?: number | undefined;
}

/** A message as it is kept: everything that has to survive a restart, and nothing else. */
export interface StoredMessage {
  id: string;
  body: string;
  bodyMd5: string;
  attributes?: MessageAttributes | undefined;
  traceHeader?: string | undefined;
  groupId?: string | undefined;
  deduplicationId?: string | undefined;
  sequenceNumber?: string | undefined;
  /** When the producer sent it. */
  sentAt: number;
  /** When the retention period began, which a move to another queue may begin anew. */
  enqueuedAt: number;
  delayedUntil?: number | undefined;
  receiveCount: number;
  firstReceivedAt?: number | undefined;
  /** The queue this message was taken from when it became a dead letter. */
  deadLetterSourceArn?: string | undefined;
}

/** The largest message, and also the largest sum of the messages of one batch: 1 MiB. */
export const MAXIMUM_MESSAGE_BYTES = 1_048_576;

const MAXIMUM_ATTRIBUTES = 10;
const CHARACTER_OUTSIDE_XML = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
const ATTRIBUTE_NAME = /^(?!aws\.|amazon\.|\.)(?!.*\.\.)[\w.-]{1,256}(?<!\.)$/i;
const ATTRIBUTE_TYPE = /^(String|Number|Binary)(\..+)?$/;
const TOKEN = /^[!-~]{1,128}$/;

/** Refuses what no queue would accept, whatever its settings. */
export function checkDraft(draft: Draft, maximumBytes: number): void {
  if (draft.body === "") {
    throw missingParameter("MessageBody");
  }
  if (CHARACTER_OUTSIDE_XML.test(draft.body)) {
    throw invalidMessageContents();
  }
  checkAttributes(draft.attributes);
  checkToken("MessageGroupId", draft.groupId);
  checkToken("MessageDeduplicationId", draft.deduplicationId);
  checkDelay(draft.delaySeconds);
  if (draftBytes(draft) > maximumBytes) {
    throw invalidParameter(
      `One or more parameters are invalid. Reason: Message must be shorter than ${maximumBytes} bytes.`,
    );
  }
}

/** Group, deduplication and attempt ids: 1 to 128 letters, digits and punctuation marks. */
export function checkToken(parameter: string, token: string | undefined): void {
  if (token !== undefined && !TOKEN.test(token)) {
    throw invalidParameter(
      `Value ${token} for parameter ${parameter} is invalid. Reason: ${parameter} can only include ` +
        "alphanumeric and punctuation characters. 1 to 128 in length.",
    );
  }
}

function checkDelay(seconds: number | undefined): void {
  if (seconds !== undefined && (seconds < 0 || seconds > 900)) {
    throw invalidParameter(
      `Value ${seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.`,
    );
  }
}

function checkAttributes(attributes: MessageAttributes): void {
  const entries = Object.entries(attributes);
  if (entries.length > MAXIMUM_ATTRIBUTES) {
    throw invalidParameter(
      `Number of message attributes [${entries.length}] exceeds the allowed maximum [${MAXIMUM_ATTRIBUTES}].`,
    );
  }
  for (const [name, attribute] of entries) {
    checkAttribute(name, attribute);
  }
}

function checkAttribute(name: string, attribute: MessageAttribute): void {
  if (!ATTRIBUTE_NAME.test(name)) {
    throw invalidParameter(`The message attribute name '${name}' is invalid.`);
  }
  const [, type] = ATTRIBUTE_TYPE.exec(attribute.DataType) ?? [];
  if (type === undefined) {
    throw invalidParameter(
      `The type of message (user) attribute '${name}' is invalid. You must use only the following supported type ` +
        "prefixes: Binary, Number, String.",
    );
  }
  const value = type === "Binary" ? attribute.BinaryValue : attribute.StringValue;
  if (value === undefined || value === "") {
    throw invalidParameter(`Message (user) attribute '${name}' must contain a non-empty value of type '${type}'.`);
  }
  if (type === "Number" && !Number.isFinite(Number(value))) {
    throw invalidParameter(`Can't cast the value of message (user) attribute '${name}' to a number.`);
  }
  if (type !== "Binary" && CHARACTER_OUTSIDE_XML.test(value)) {
    throw invalidMessageContents();
  }
}

/** The size that counts against the limits: the body and every part of every attribute. */
export function draftBytes(draft: Draft): number {
  let bytes = Buffer.byteLength(draft.body);
  for (const [name, attribute] of Object.entries(draft.attributes)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType) + valueBytes(attribute).length;
  }
  return bytes;
}

export function md5(text: string): string {
  return hash("md5", text);
}

const TRANSPORT_STRING = Buffer.from([1]);
const TRANSPORT_BINARY = Buffer.from([2]);

/**
 * The digest by which a client checks the attributes: by name, the length and bytes of the name, of
 * the data type and of the value, with one byte between the last two that tells text from binary.
 */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) {
    return undefined;
  }
  const parts: Buffer[] = [];
  for (const name of names) {
    const attribute = attributes[name];
    if (attribute !== undefined) {
      const transport = attribute.BinaryValue === undefined ? TRANSPORT_STRING : TRANSPORT_BINARY;
      parts.push(...withLength(Buffer.from(name)), ...withLength(Buffer.from(attribute.DataType)));
      parts.push(transport, ...withLength(valueBytes(attribute)));
    }
  }
  return hash("md5", Buffer.concat(parts));
}

function withLength(bytes: Buffer): [Buffer, Buffer] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

function valueBytes(attribute: MessageAttribute): Buffer {
  return attribute.BinaryValue === undefined
    ? Buffer.from(attribute.StringValue ?? "")
    : Buffer.from(attribute.BinaryValue, "base64");
}

/** Content-based deduplication looks at the body alone, never at the attributes. */
export function contentDeduplicationId(body: string): string {
  return hash("sha256", body);
}

/** The part of the attributes a receive request asked for: names, `All`, `.*` or a prefix such as `trace.*`. */
export function selectAttributes(attributes: MessageAttributes, wanted: readonly string[]): MessageAttributes {
  const selected: Record<string, MessageAttribute> = {};
  for (const [name, attribute] of Object.entries(attributes)) {
    if (wanted.some((pattern) => matches(name, pattern))) {
      selected[name] = attribute;
    }
  }
  return selected;
}

function matches(name: string, pattern: string): boolean {
  if (pattern === "All" || pattern === ".*" || pattern === name) {
    return true;
  }
  return pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -2));
}
