import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bundleConsole } from "../infra/bundle-console.ts";
import { cacheControlOf, contentSecurityPolicy, contentTypeOf } from "../infra/console-answers.ts";
import { ROOT } from "../local/stack.ts";
import { isWithoutBrowser, launchBrowser } from "./setup/browser.ts";

/**
 * Signing in to the console as it is deployed: in a real browser, at a small OIDC provider of the test's own. Provider and console
 * are two origins, and the console's page has the policy that it has at the edge.
 */

const CLIENT = "console-client";

const listen = (answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>) =>
  new Promise<{ server: Server; origin: string }>((resolve) => {
    const server = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
    server.listen(0, "127.0.0.1", () => {
      resolve({ server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    });
  });

const textOf = async (request: IncomingMessage) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
};

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

/** What the provider was asked for in one sign-in. */
interface Grant {
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string | undefined;
}

/** An OIDC provider that lets everybody in at once, and holds the code flow to its rules. */
async function openProvider(keys: Keys) {
  /** What the next sign-in meets; `honest` again after it. */
  const mood = { next: "honest" as "honest" | "denies" | "other-state" | "other-nonce", origin: "" };
  const grants = new Map<string, Grant>();
  const asked: URLSearchParams[] = [];
  const exchanged: URLSearchParams[] = [];

  const sign = (claims: Record<string, unknown>, audience: string) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", kid: "one" })
      .setIssuer(mood.origin)
      .setSubject("olga")
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(keys.privateKey);

  const authorize = (query: URLSearchParams): string => {
    asked.push(query);
    const back = new URL(query.get("redirect_uri") ?? "");
    const code = randomUUID();
    back.searchParams.set("state", mood.next === "other-state" ? "made-up" : (query.get("state") ?? ""));
    if (mood.next === "denies") {
      back.searchParams.set("error", "access_denied");
      back.searchParams.set("error_description", "Olga is no operator.");
    } else {
      back.searchParams.set("code", code);
    }
    const nonce = mood.next === "other-nonce" ? "made-up" : (query.get("nonce") ?? undefined);
    mood.next = "honest";
    grants.set(code, { redirectUri: back.origin + back.pathname, challenge: query.get("code_challenge") ?? "", nonce });
    return back.href;
  };

  /** @returns undefined where the exchange breaks a rule */
  const exchange = async (form: URLSearchParams) => {
    exchanged.push(form);
    const code = form.get("code") ?? "";
    const grant = grants.get(code);
    grants.delete(code);
    const digest = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const isRight =
      grant?.challenge === digest && grant.redirectUri === form.get("redirect_uri") && form.get("client_id") === CLIENT;
    if (!isRight) return undefined;
    return {
      access_token: await sign({ scope: "openid operator" }, "firstcome"),
      id_token: await sign({ nonce: grant.nonce }, CLIENT),
      token_type: "Bearer",
      expires_in: 300,
    };
  };

  const { server, origin } = await listen(async (request, response) => {
    const url = new URL(request.url ?? "/", mood.origin);
    // A browser's page of another origin asks.
    response.setHeader("access-control-allow-origin", "*");
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (url.pathname === "/.well-known/openid-configuration") {
      json(200, {
        issuer: mood.origin,
        authorization_endpoint: `${mood.origin}/authorize`,
        token_endpoint: `${mood.origin}/token`,
        jwks_uri: `${mood.origin}/keys`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        code_challenge_methods_supported: ["S256"],
      });
    } else if (url.pathname === "/authorize") {
      response.writeHead(302, { location: authorize(url.searchParams) }).end();
    } else if (url.pathname === "/token") {
      const tokens = await exchange(new URLSearchParams(await textOf(request)));
      json(tokens ? 200 : 400, tokens ?? { error: "invalid_grant", error_description: "The code is not good." });
    } else if (url.pathname === "/keys") {
      json(200, { keys: [{ ...(await exportJWK(keys.publicKey)), kid: "one", alg: "RS256" }] });
    } else {
      response.writeHead(404).end();
    }
  });
  mood.origin = origin;
  return { server, origin, mood, asked, exchanged, token: () => sign({ scope: "openid operator" }, "firstcome") };
}

/** The console's files as the edge serves them, and of the API what the first view asks. */
async function openConsole(folder: string, keys: Keys, config: () => Record<string, unknown>) {
  const api = { takesTokens: true, tokens: [] as string[] };
  const { server, origin } = await listen(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    if (pathname === "/campaigns") {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
      api.tokens.push(token);
      const isGood = await jwtVerify(token, keys.publicKey, { audience: "firstcome" }).then(
        ({ payload }) => api.takesTokens && String(payload.scope).split(" ").includes("operator"),
        () => false,
      );
      // As API Gateway's authorizer refuses, before any function runs.
      response
        .writeHead(isGood ? 200 : 401, { "content-type": "application/json" })
        .end(JSON.stringify(isGood ? { items: [] } : { message: "Unauthorized" }));
      return;
    }
    const name = pathname.replace(/^\/console\//, "") || "index.html";
    const bytes = name === "config.json" ? JSON.stringify(config()) : readFileSync(join(folder, name));
    response
      .writeHead(200, {
        "content-type": contentTypeOf(name),
        "cache-control": cacheControlOf(name),
        "content-security-policy": contentSecurityPolicy([String(config().issuer)]),
      })
      .end(bytes);
  });
  return { server, origin, api };
}

describe.skipIf(isWithoutBrowser())("signing in to the console", () => {
  let folder: string;
  let browser: Browser;
  let provider: Awaited<ReturnType<typeof openProvider>>;
  let site: Awaited<ReturnType<typeof openConsole>>;
  let config: Record<string, unknown>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "firstcome-sign-in-"));
    const keys = await generateKeyPair("RS256", { extractable: true });
    await bundleConsole({ root: ROOT, outDir: folder });
    [provider, browser] = await Promise.all([openProvider(keys), launchBrowser()]);
    site = await openConsole(folder, keys, () => config);
  });
  afterAll(async () => {
    await browser?.close();
    for (const server of [provider?.server, site?.server]) {
      server?.closeAllConnections();
      await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    }
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    config = { local: false, issuer: provider.origin, clientId: CLIENT };
    site.api.takesTokens = true;
    site.api.tokens.length = 0;
    provider.asked.length = 0;
    provider.exchanged.length = 0;
  });

  /** Opens the console as a new visitor. */
  async function visit(place: string, look: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext({ locale: "en-US" });
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    try {
      await page.goto(`${site.origin}/console/${place}`);
      await look(page);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  }

  const atIssuer = (page: Page) => page.getByRole("button", { name: /^Sign in at 127/ });
  const campaigns = (page: Page) => page.locator('[data-panel="campaigns"]');
  const fault = (page: Page) => page.locator("[data-fault]");

  it("goes to the issuer with a challenge, and comes back signed in to where the person was", async () => {
    await visit("#/campaigns?from=mail", async (page) => {
      await atIssuer(page).click();
      await campaigns(page).waitFor();
      expect(page.url()).toBe(`${site.origin}/console/#/campaigns?from=mail`);
      // The tab stays signed in.
      await page.reload();
      await campaigns(page).waitFor();
    });
    const [query] = provider.asked;
    expect(Object.fromEntries(query ?? [])).toMatchObject({
      response_type: "code",
      client_id: CLIENT,
      redirect_uri: `${site.origin}/console/`,
      scope: "openid operator",
      code_challenge_method: "S256",
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{20,}$/),
      nonce: expect.stringMatching(/^[\w-]{20,}$/),
    });
    // The verifier went to the token endpoint only, and no secret with it: the client is a public one.
    const [form] = provider.exchanged;
    expect(form?.get("code_verifier")).toMatch(/^[\w-]{43,128}$/);
    expect(query?.has("code_verifier")).toBe(false);
    expect(form?.has("client_secret")).toBe(false);
  });

  it("asks for the scope of the config", async () => {
    config = { ...config, scope: "operator" };
    await visit("", async (page) => {
      await atIssuer(page).click();
      await campaigns(page).waitFor();
    });
    expect(provider.asked[0]?.get("scope")).toBe("operator");
    expect(provider.asked[0]?.has("nonce")).toBe(false);
  });

  it("says what the issuer says when it refuses, and lets the person try again", async () => {
    provider.mood.next = "denies";
    await visit("", async (page) => {
      await atIssuer(page).click();
      await fault(page).waitFor();
      expect(await fault(page).getAttribute("data-fault")).toBe("refused");
      expect(await fault(page).innerText()).toContain("Olga is no operator.");
      expect(provider.exchanged).toEqual([]);
      await atIssuer(page).click();
      await campaigns(page).waitFor();
    });
  });

  it("takes no answer of which the state is another one, or of which no sign-in was begun in the tab", async () => {
    provider.mood.next = "other-state";
    await visit("", async (page) => {
      await atIssuer(page).click();
      await fault(page).waitFor();
      expect(await fault(page).getAttribute("data-fault")).toBe("foreign");
    });
    await visit("?code=stolen&state=stolen", async (page) => {
      await fault(page).waitFor();
      expect(await fault(page).getAttribute("data-fault")).toBe("foreign");
      expect(page.url()).not.toContain("stolen");
    });
    expect(provider.exchanged).toEqual([]);
  });

  it("takes no token that was given for another sign-in", async () => {
    provider.mood.next = "other-nonce";
    await visit("", async (page) => {
      await atIssuer(page).click();
      await fault(page).waitFor();
      expect(await fault(page).getAttribute("data-fault")).toBe("unfit");
      expect(await page.evaluate(() => sessionStorage.getItem("firstcome.token"))).toBeNull();
    });
  });

  it("says that the issuer cannot be reached", async () => {
    const gone = await listen(async () => {});
    await new Promise((resolve) => gone.server.close(resolve));
    config = { ...config, issuer: gone.origin };
    await visit("", async (page) => {
      await atIssuer(page).click();
      await fault(page).waitFor();
      expect(await fault(page).getAttribute("data-fault")).toBe("unreachable");
    });
  });

  it("notices that the API takes the token no more, and asks to sign in again, at the same place", async () => {
    await visit("#/campaigns", async (page) => {
      await atIssuer(page).click();
      await campaigns(page).waitFor();
      site.api.takesTokens = false;
      await page.getByText("Your sign-in has ended").waitFor();
      expect(await page.evaluate(() => sessionStorage.getItem("firstcome.token"))).toBeNull();
      site.api.takesTokens = true;
      await atIssuer(page).click();
      await campaigns(page).waitFor();
      expect(page.url()).toBe(`${site.origin}/console/#/campaigns`);
    });
  });

  const paste = async (page: Page, token: string) => {
    await page.getByLabel("Operator's token").fill(token);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
  };

  it("takes a pasted token where the console has no client at the issuer, and sends it as it is", async () => {
    config = { local: false, issuer: provider.origin };
    const token = await provider.token();
    await visit("", async (page) => {
      await page.getByLabel("Operator's token").waitFor();
      expect(await atIssuer(page).count()).toBe(0);
      await paste(page, ` Bearer ${token}\n`);
      await campaigns(page).waitFor();
      await page.reload();
      await campaigns(page).waitFor();
    });
    expect(new Set(site.api.tokens)).toEqual(new Set([token]));
  });

  it("says that a pasted text is no token, or that the API does not take it", async () => {
    config = { local: false, issuer: provider.origin };
    await visit("", async (page) => {
      // What cannot be in a header would never reach the API.
      await paste(page, "토큰");
      await fault(page).waitFor();
      expect(await fault(page).getAttribute("data-fault")).toBe("no-token");
      expect(site.api.tokens).toEqual([]);
      await paste(page, "not-a-token");
      await page.getByText("Your sign-in has ended").waitFor();
      expect(site.api.tokens).toContain("not-a-token");
    });
  });

  it("keeps what was typed while somebody signs in again", async () => {
    config = { local: false, issuer: provider.origin };
    await visit("#/campaigns/new", async (page) => {
      await paste(page, await provider.token());
      await page.getByLabel("Id", { exact: true }).fill("autumn");
      await page.getByLabel("Name").fill("Autumn");
      await page.getByLabel("Stock").fill("60");
      site.api.takesTokens = false;
      await page.getByLabel("Name").press("Enter");
      await page.getByText("Your sign-in has ended").waitFor();
      expect(await page.getByLabel("Name").isVisible()).toBe(false);
      site.api.takesTokens = true;
      await paste(page, await provider.token());
      await page.getByLabel("Name").waitFor();
      expect(await page.getByLabel("Name").inputValue()).toBe("Autumn");
    });
  });

  it("leaves nothing of the person in the tab after they signed out, as a shopper neither", async () => {
    config = { local: false, issuer: provider.origin };
    await visit("#/shop", async (page) => {
      await page.goto(`${site.origin}/console/#/campaigns`);
      await paste(page, await provider.token());
      await campaigns(page).waitFor();
      await page.goto(`${site.origin}/console/#/shop`);
      await page.getByRole("button", { name: "As the one who is signed in" }).click();
      await page.locator('[data-shopper="olga"]').waitFor();
      await page.evaluate(() => sessionStorage.setItem("firstcome.line.door.olga.pass", "a-pass"));
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.locator("[data-shopper]").waitFor({ state: "detached" });
      expect(await page.evaluate(() => Object.keys(sessionStorage))).toEqual([]);
    });
  });

  it("works in a browser that keeps nothing, and says where signing in needs that something is kept", async () => {
    await visit("", async (page) => {
      await page.addInitScript(() => {
        Object.defineProperty(globalThis, "sessionStorage", {
          get: () => {
            throw new DOMException("Access is denied for this document.", "SecurityError");
          },
        });
      });
      await page.reload();
      await atIssuer(page).click();
      await fault(page).waitFor();
      expect(await fault(page).getAttribute("data-fault")).toBe("forgetful");
      await page.getByText("Sign in with a token").click();
      await paste(page, await provider.token());
      await campaigns(page).waitFor();
    });
  });

  it("loads what it needs to sign in only when somebody does", async () => {
    const loaded: string[] = [];
    const isLoaded = () => loaded.some((url) => /\/console\/oidc-[A-Z0-9]{8}\.js$/.test(url));
    await visit("", async (page) => {
      page.on("request", (request) => loaded.push(request.url()));
      // From the first request on, in a tab that has kept nothing.
      await page.reload();
      await atIssuer(page).waitFor();
      expect(loaded.some((url) => /\/console\/main-[A-Z0-9]{8}\.js$/.test(url))).toBe(true);
      expect(isLoaded()).toBe(false);
      await atIssuer(page).click();
      await campaigns(page).waitFor();
    });
    expect(isLoaded()).toBe(true);
  });
});
