import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { bundleConsole } from "../infra/bundle-console.ts";
import { contentTypeOf } from "../infra/console-answers.ts";
import { ROOT } from "../local/stack.ts";
import { isWithoutBrowser, launchBrowser } from "./setup/browser.ts";

/**
 * How the console asks again and again, and what it makes of answers that do not come, come late, or are none. In a real browser, with
 * an API that the test plays: nothing leaves the browser.
 */

const ORIGIN = "https://console.test";
const NOW = new Date().toISOString();
const LATER = new Date(Date.now() + 3_600_000).toISOString();

/** What the played API says to a question; nothing, and the question gets no answer. */
type Says = { readonly status?: number; readonly json?: unknown; readonly text?: string } | undefined;
type Answers = Readonly<Record<string, (url: URL) => Says | Promise<Says>>>;

const campaign = {
  ...{
    campaignId: "autumn",
    name: "Autumn",
    state: "open",
    stock: 10,
    issued: 1,
    remaining: 9,
    perUser: 1,
    version: 1,
  },
  ...{ opensAt: NOW, closesAt: LATER, serverTime: NOW, confirmed: 1 },
};
const coupon = (state: string) => ({
  ...{ couponId: "c-1", campaignId: "autumn", userId: "ann", ticket: 1, nth: 1, state, issuedAt: NOW, etaMs: 1_000 },
});

/** Something that a test lets happen. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

describe.skipIf(isWithoutBrowser())("the console's questions", () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "firstcome-poll-"));
    await bundleConsole({ root: ROOT, outDir: folder });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Visited {
    readonly page: Page;
    /** How often the path was asked for. */
    readonly asked: (path: string) => number;
    /** Waits until the path was asked for so often. */
    readonly untilAsked: (path: string, times: number) => Promise<unknown>;
    readonly faults: readonly string[];
    readonly isConnected: () => Promise<string | null>;
  }

  async function visit(place: string, answers: Answers, look: (visited: Visited) => Promise<void>): Promise<void> {
    const context = await browser.newContext({ locale: "en-US" });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const counts = new Map<string, number>();
    const asked = (path: string) => counts.get(path) ?? 0;
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    const all: Answers = {
      "/console/config.json": () => ({ json: { local: true } }),
      "/_local/tokens": () => ({ json: { tokens: { console: "t", ann: "t" } } }),
      "/health": () => undefined,
      ...answers,
    };
    await page.route(`${ORIGIN}/**`, async (route: Route) => {
      const url = new URL(route.request().url());
      counts.set(url.pathname, asked(url.pathname) + 1);
      const answer = all[url.pathname];
      if (!answer && url.pathname.startsWith("/console/")) {
        const name = url.pathname.slice("/console/".length) || "index.html";
        return route.fulfill({ contentType: contentTypeOf(name), body: readFileSync(join(folder, name)) });
      }
      const said = await answer?.(url);
      if (page.isClosed()) return undefined;
      if (said === undefined) return route.abort("connectionrefused");
      const { status = 200, json, text } = said;
      return route.fulfill(text === undefined ? { status, json } : { status, contentType: "text/html", body: text });
    });
    const untilAsked = (path: string, times: number) => vi.waitUntil(() => asked(path) >= times, { timeout: 15_000 });
    const isConnected = () => page.locator(".connection").getAttribute("data-connected");
    try {
      await page.goto(`${ORIGIN}/console/${place}`);
      await look({ page, asked, untilAsked, faults, isConnected });
    } finally {
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await context.close();
    }
  }

  const panel = (page: Page, name: string) => page.locator(`[data-panel="${name}"]`);

  it("does not ask more often when a document goes over from one part of a view to another", async () => {
    const product = "/boards/big/products/p-30";
    const list = "/boards/big/top";
    const itemsFrom = (first: number) =>
      Array.from({ length: 25 }, (_, i) => ({ rank: first + i, productId: `p-${first + i}`, score: 1, change: 0 }));
    const answers: Answers = {
      "/boards/big": () => undefined,
      [list]: (url) => ({
        json: {
          ...{ boardId: "big", window: "1h", generation: "g", version: 1, publishedAt: NOW, source: "live", ageMs: 0 },
          ...(url.searchParams.has("cursor")
            ? { of: 50, items: itemsFrom(26) }
            : { of: 50, items: itemsFrom(1), cursor: "next" }),
        },
      }),
      [product]: () => ({
        json: {
          ...{
            boardId: "big",
            productId: "p-30",
            window: "1h",
            rank: 30,
            of: 50,
            score: 1,
            version: 1,
            source: "live",
          },
          ...{ metrics: {}, contributions: [] },
        },
      }),
    };
    await visit("#/boards/big?window=1h", answers, async ({ page, asked, untilAsked }) => {
      const explained = page.locator('[data-product="p-30"] [data-rank="30"]');
      await panel(page, "look-up").getByRole("textbox").fill("p-30");
      await panel(page, "look-up").getByRole("button", { name: "Show" }).click();
      await panel(page, "look-up").locator(explained).waitFor();
      await page.getByRole("button", { name: "More", exact: true }).click();
      await panel(page, "top").locator("table").locator(explained).waitFor();
      const [products, lists] = [asked(product), asked(list)];
      await untilAsked(list, lists + 1);
      await untilAsked(product, products + 1);
      // Both are asked for as often; one that ran loose would be asked for dozens of times meanwhile.
      expect(asked(product) - products).toBeLessThanOrEqual(3);
    });
  });

  it("asks again after a fault of its own, and shows meanwhile that its numbers are old", async () => {
    let isBroken = false;
    const list = "/campaigns";
    const answers: Answers = {
      [list]: () => (isBroken ? { status: 401, json: {} } : { json: { items: [campaign] } }),
      // No document of tokens, so that the page stumbles over it.
      "/_local/tokens": () => (isBroken ? { json: null } : { json: { tokens: { console: "t" } } }),
    };
    await visit("#/campaigns", answers, async ({ page, faults }) => {
      await page.locator('[data-panel="campaigns"][data-stale="false"] [data-campaign="autumn"]').waitFor();
      isBroken = true;
      await page.locator('[data-panel="campaigns"][data-stale="true"] [data-campaign="autumn"]').waitFor();
      isBroken = false;
      await page.locator('[data-panel="campaigns"][data-stale="false"] [data-campaign="autumn"]').waitFor();
      // The fault is told to whoever looks after the page.
      expect(faults.length).toBeGreaterThan(0);
    });
  });

  it("takes no answer for one that is no JSON, and keeps the last as an old one", async () => {
    let text: string | undefined;
    const answers: Answers = {
      "/campaigns": () => (text === undefined ? { json: { items: [campaign] } } : { text }),
    };
    await visit("#/campaigns", answers, async ({ page }) => {
      await panel(page, "campaigns").locator('[data-campaign="autumn"]').waitFor();
      for (const it of ["<html>Sign in to this network</html>", ""]) {
        text = it;
        await page.locator('[data-panel="campaigns"][data-stale="true"] [data-code="unreachable"]').waitFor();
        expect(await panel(page, "campaigns").locator('[data-campaign="autumn"]').count()).toBe(1);
        text = undefined;
        await page.locator('[data-panel="campaigns"][data-stale="false"]').waitFor();
      }
    });
  });

  it("shows what becomes of a coupon though each answer takes longer than the time between questions", async () => {
    const mine = "/campaigns/autumn/coupons/me";
    let questions = 0;
    const answers: Answers = {
      "/campaigns": () => ({ json: { items: [campaign] } }),
      "/campaigns/autumn": () => ({ json: campaign }),
      [mine]: async () => {
        const question = ++questions;
        // While a coupon is pending it is asked for each second.
        if (question > 1) await new Promise((resolve) => setTimeout(resolve, 1_500));
        return { json: { items: [coupon(question === 1 ? "pending" : "confirmed")] } };
      },
    };
    await visit("#/shop?campaign=autumn", answers, async ({ page }) => {
      await page.getByLabel("I am").fill("ann");
      await page.getByRole("button", { name: "That is me" }).click();
      await page.locator('[data-coupon="c-1"][data-state="pending"]').waitFor();
      await page.locator('[data-coupon="c-1"][data-state="confirmed"]').waitFor();
    });
  });

  it("asks for nothing while the page is hidden, and at once when it is seen again", async () => {
    const mine = "/campaigns/autumn/coupons/me";
    const answers: Answers = {
      "/campaigns": () => ({ json: { items: [campaign] } }),
      "/campaigns/autumn": () => ({ json: campaign }),
      [mine]: () => ({ json: { items: [coupon("pending")] } }),
    };
    await visit("#/campaigns", answers, async ({ page, asked, untilAsked }) => {
      await page.clock.install();
      await page.goto(`${ORIGIN}/console/#/shop?campaign=autumn`);
      await page.reload();
      await page.getByLabel("I am").fill("ann");
      await page.getByRole("button", { name: "That is me" }).click();
      await untilAsked(mine, 2);
      const show = (isHidden: boolean) =>
        page.evaluate((hidden) => {
          Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }, isHidden);
      await show(true);
      const before = asked(mine);
      await page.clock.runFor(20_000);
      expect(asked(mine)).toBe(before);
      await show(false);
      await untilAsked(mine, before + 1);
    });
  });

  it("notices by itself that the API is there again, where nothing else is asked for", async () => {
    let isThere = false;
    const answers: Answers = { "/health": () => (isThere ? { json: { status: "up" } } : undefined) };
    await visit("#/campaigns/new", answers, async ({ page, isConnected, untilAsked }) => {
      await page.getByLabel("Stock").waitFor();
      const banner = (connected: boolean) =>
        page.locator(`.connection[data-connected="${connected}"]`).waitFor({ state: "attached" });
      await page.evaluate(() => dispatchEvent(new Event("offline")));
      await banner(false);
      await untilAsked("/health", 1);
      expect(await isConnected()).toBe("false");
      isThere = true;
      await banner(true);
      // And at once when the browser says so.
      await page.evaluate(() => {
        dispatchEvent(new Event("offline"));
        dispatchEvent(new Event("online"));
      });
      await banner(true);
    });
  });

  it("does not take one route that gets no answer for a connection that is lost", async () => {
    const slow = gate();
    const answers: Answers = {
      "/health": () => ({ json: { status: "up" } }),
      "/campaigns/autumn": () => ({ json: campaign }),
      "/ops/campaigns/autumn": async () => {
        await slow.opened;
        return undefined;
      },
    };
    await visit("#/campaigns/autumn", answers, async ({ page, untilAsked }) => {
      await panel(page, "campaign").locator('[data-figure="state"]').waitFor();
      await page.evaluate(() => {
        const banner = document.querySelector(".connection");
        const seen: unknown[] = [];
        Object.assign(globalThis, { seen });
        if (banner) new MutationObserver(() => seen.push(banner.textContent)).observe(banner, { attributes: true });
      });
      await untilAsked("/campaigns/autumn", 3);
      slow.open();
      await panel(page, "ledger").locator('[data-code="unreachable"]').waitFor();
      await untilAsked("/ops/campaigns/autumn", 3);
      expect(await page.evaluate(() => (globalThis as unknown as { seen: unknown[] }).seen)).toEqual([]);
    });
  });

  it("leads no address to another document than the one that it names", async () => {
    await visit("#/campaigns/..%2Fhealth", {}, async ({ page, asked }) => {
      await page.getByText("There is no such view.").waitFor();
      expect(asked("/health")).toBe(0);
    });
  });

  it("keeps its frame when a view fails, and mends it when somebody goes elsewhere", async () => {
    const answers: Answers = {
      // Such as no version of the API has answered so far.
      "/boards": () => ({ json: { items: [null] } }),
      "/campaigns": () => ({ json: { items: [{ ...campaign, state: "on-the-moon" }] } }),
    };
    await visit("#/campaigns", answers, async ({ page }) => {
      // A word that the page does not know stands as it is.
      await page.locator('[data-campaign="autumn"] [data-state="on-the-moon"]').waitFor();
      await page.getByRole("navigation").getByRole("link", { name: "Rankings" }).click();
      await page.locator('[data-fault="view"]').waitFor();
      await page.getByRole("navigation").getByRole("link", { name: "Campaigns" }).click();
      await page.locator('[data-campaign="autumn"]').waitFor();
      expect(await page.locator('[data-fault="view"]').count()).toBe(0);
      expect(await page.title()).toBe("Campaigns · firstcome console");
    });
  });
});
