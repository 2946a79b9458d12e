import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { inject } from "vitest";
import type { StackFile } from "../../local/stack-file.ts";

/** A client of a running stack, as a shop would write it. */

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  readonly body: any;
}

/** The shared stack of this test run. */
export function sharedStack(): StackFile {
  return JSON.parse(readFileSync(inject("stackFile"), "utf8")) as StackFile;
}

/** A name that no other test uses. */
export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString("hex")}`;
}

export function client(api: string) {
  const call = async (
    method: string,
    path: string,
    options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> => {
    const response = await fetch(`${api}${path}`, {
      method,
      headers: {
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };

  const tokens = async (subjects: readonly string[], scope?: string): Promise<Record<string, string>> => {
    const { body } = await call("POST", "/_local/tokens", { body: { subjects, ...(scope ? { scope } : {}) } });
    return body.tokens;
  };

  return {
    call,
    tokens,
    token: async (subject: string, scope?: string): Promise<string> => (await tokens([subject], scope))[subject] ?? "",
    /** Creates an open campaign, unless told otherwise. @returns its id */
    campaign: async (content: Record<string, unknown> = {}): Promise<string> => {
      const campaignId = unique("c");
      const operator = (await tokens(["operator"], "operator")).operator ?? "";
      const now = Date.now();
      const answer = await call("POST", "/campaigns", {
        token: operator,
        body: {
          campaignId,
          name: "A test's campaign",
          stock: 10,
          opensAt: new Date(now - 60_000).toISOString(),
          closesAt: new Date(now + 3_600_000).toISOString(),
          ...content,
        },
      });
      if (answer.status !== 201) throw new Error(`no campaign: ${JSON.stringify(answer.body)}`);
      return campaignId;
    },
    ask: (campaignId: string, token: string, key?: string): Promise<Answer> =>
      call("POST", `/campaigns/${campaignId}/coupons`, {
        token,
        ...(key === undefined ? {} : { headers: { "idempotency-key": key } }),
      }),
    mine: (campaignId: string, token: string): Promise<Answer> =>
      call("GET", `/campaigns/${campaignId}/coupons/me`, { token }),
  };
}

/** Polls until a condition holds. Fails the test with what it last saw, after a time that only what hangs needs. */
export async function eventually<T>(
  look: () => Promise<T>,
  holds: (seen: T) => boolean,
  withinMs = 60_000,
): Promise<T> {
  const endsAt = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > endsAt)
      throw new Error(`did not come about within ${withinMs} ms; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
