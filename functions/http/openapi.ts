import * as z from "zod/mini";
import { REFUSAL_WORDS, type RefusalWord, type SuccessWord } from "../../core/words.ts";
import type { Contract, Who } from "../contract/contract.ts";
import { STATUS } from "./status.ts";

/** The OpenAPI 3.1 document, made of the very schemas that validate requests. */

type Json = Record<string, unknown>;

const jsonSchema = (schema: z.ZodMiniType, io: "input" | "output"): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: "draft-2020-12",
    io,
    unrepresentable: "any",
  }) as Json;
  return rest;
};

const EVERYWHERE: readonly RefusalWord[] = ["invalid", "too-large", "throttled", "internal"];
const NEEDS_TOKEN: readonly RefusalWord[] = ["unauthorized", "forbidden"];

const PROBLEM: Json = {
  type: "object",
  required: ["type", "title", "status", "code", "detail"],
  properties: {
    type: { type: "string", format: "uri" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { enum: [...REFUSAL_WORDS] },
    detail: { type: "string" },
    requestId: { type: "string" },
    opensAt: { type: "string", format: "date-time" },
    roomId: { type: "string" },
    issues: {
      type: "array",
      items: {
        type: "object",
        properties: {
          in: { enum: ["path", "query", "header", "body"] },
          path: { type: "string" },
          message: { type: "string" },
        },
      },
    },
  },
};

/** The properties of an object schema as parameters of a request. */
function parameters(schema: z.ZodMiniType | undefined, place: "path" | "query" | "header"): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, "input") as { properties?: Json; required?: string[] };
  return Object.entries(properties).map(([name, it]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: it,
  }));
}

function responses(contract: Contract): Json {
  const byStatus = new Map<number, { words: string[]; content: Json }>();
  const add = (word: SuccessWord | RefusalWord, content: Json) => {
    const entry = byStatus.get(STATUS[word]) ?? { words: [], content: {} };
    entry.words.push(word);
    Object.assign(entry.content, content);
    byStatus.set(STATUS[word], entry);
  };
  for (const [word, schema] of Object.entries(contract.answers)) {
    const isEmpty = schema instanceof z.ZodMiniUndefined;
    add(word as SuccessWord, isEmpty ? {} : { "application/json": { schema: jsonSchema(schema, "output") } });
  }
  for (const word of new Set([
    ...EVERYWHERE,
    ...(contract.who === "anyone" ? [] : NEEDS_TOKEN),
    ...contract.refusals,
  ])) {
    add(word, { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } });
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, { words, content }]) => {
        const isEmpty = Object.keys(content).length === 0;
        return [String(status), { description: words.join(" · "), ...(isEmpty ? {} : { content }) }];
      }),
  );
}

function security(who: Who): Json[] {
  if (who === "anyone") return [];
  return [{ bearer: who === "shopper" ? [] : [who] }];
}

/** Builds the document of these contracts. */
export function openapiDocument(contracts: readonly Contract[]): Json {
  const paths: Record<string, Json> = {};
  for (const contract of contracts) {
    const { method, path, summary, params, query, headers, body, who } = contract;
    paths[path] ??= {};
    Object.assign(paths[path], {
      [method.toLowerCase()]: {
        summary,
        security: security(who),
        parameters: [...parameters(params, "path"), ...parameters(query, "query"), ...parameters(headers, "header")],
        ...(body
          ? {
              requestBody: {
                required: !body.safeParse(undefined).success,
                content: { "application/json": { schema: jsonSchema(body, "input") } },
              },
            }
          : {}),
        responses: responses(contract),
      },
    });
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "firstcome",
      version: "1",
      description:
        "First-come coupons and waiting rooms. Every refusal is a problem document (RFC 9457) with a code of a closed set.",
    },
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: { Problem: PROBLEM },
    },
  };
}
