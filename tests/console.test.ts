import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { Redis } from "ioredis";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT, type Stack, startStack } from "../local/stack.ts";
import { readStackFile } from "../local/stack-file.ts";
import { isWithoutBrowser, launchBrowser } from "./setup/browser.ts";
import { client, eventually, unique } from "./setup/client.ts";

/**
 * The console as a person uses it: in a real browser, against a stack of its own whose Redis is killed. Pictures of every view go
 * to `.local/console`, or to `FIRSTCOME_PICTURES` (that is how docs/console was made).
 */

const PICTURES = process.env.FIRSTCOME_PICTURES ?? join(ROOT, ".local/console");
/** How often the live views ask (web/console/views/campaign.tsx). */
const POLL_MS = 1_000;
const DESKTOP = { width: 1_280, height: 900 };
const PHONE = { width: 390, height: 844 };

let folder: string;
let stack: Stack;
let browser: Browser;
let operator: string;
let api: ReturnType<typeof client>;

const stackFile = () => join(folder, "stack.json");

/** A part's process, to be killed: never 0, which would be the test's own group. */
function pidOf(part: "redis" | "sqs"): number {
  const pid = readStackFile(stackFile())?.pids[part];
  if (!pid) throw new Error(`the stack has started no ${part}`);
  return pid;
}

describe.skipIf(isWithoutBrowser())("the console in a browser", () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "firstcome-console-"));
    mkdirSync(PICTURES, { recursive: true });
    [stack, browser] = await Promise.all([
      startStack({ port: 0, stackFile: stackFile(), redisServer: process.env.FIRSTCOME_REDIS_SERVER }),
      launchBrowser(),
    ]);
    api = client(stack.file.api);
    operator = await api.token("operator", "operator");
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Visit {
    readonly theme?: "light" | "dark";
    readonly viewport?: { width: number; height: number };
    readonly locale?: string;
  }

  /** Opens the console as a new visitor, and holds that nothing in it failed. */
  async function visit(
    place: string,
    look: (page: Page, context: BrowserContext) => Promise<void>,
    { theme = "light", viewport = DESKTOP, locale = "en-US" }: Visit = {},
  ): Promise<void> {
    const context = await browser.newContext({ colorScheme: theme, viewport, locale });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      // A refusal by the API is told by the browser as an error of loading; what the page says of it is looked at below.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        faults.push(message.text());
    });
    try {
      await page.goto(`${stack.file.console}${place}`);
      await look(page, context);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  }

  const figure = (page: Page, panel: string, name: string) =>
    page.locator(`[data-panel="${panel}"] [data-figure="${name}"]`);

  /** Waits until a figure has a value. */
  async function untilFigure(page: Page, panel: string, name: string, value: string | number): Promise<void> {
    await page.locator(`[data-panel="${panel}"] [data-figure="${name}"][data-value="${value}"]`).waitFor();
  }

  /** A crowd that asks at a pace, so that there is something to watch. @returns the answers, in the order of the asks */
  async function crowd(campaignId: string, people: number, perSecond: number) {
    const users = Array.from({ length: people }, () => unique("u"));
    const tokens = await api.tokens(users);
    const startedAt = performance.now();
    return Promise.all(
      users.map(async (user, i) => {
        const dueMs = (i * 1_000) / perSecond - (performance.now() - startedAt);
        await new Promise((resolve) => setTimeout(resolve, dueMs));
        const answer = await api.call("POST", `/campaigns/${campaignId}/coupons`, { token: tokens[user] ?? "" });
        return { user, token: tokens[user] ?? "", answer };
      }),
    );
  }

  it("makes a campaign, shows the rush, the end of the stock, a coupon that comes back, and a Redis that was killed", async () => {
    const campaignId = unique("story");
    await visit("#/campaigns", async (page) => {
      // By keyboard alone, as far as the form goes.
      await page.getByRole("link", { name: "New campaign" }).focus();
      await page.keyboard.press("Enter");
      await page.getByLabel("Id", { exact: true }).fill("No Such Id");
      await page.getByLabel("Name").fill("The story");
      await page.getByLabel("Stock").fill("60");
      await page.keyboard.press("Enter");
      // What the API would say, said before anything is sent; and the field that is wrong has the focus.
      const wrong = page.locator('[name="campaignId"][aria-invalid="true"]');
      await wrong.waitFor();
      await page.waitForFunction(() => document.activeElement?.getAttribute("name") === "campaignId");
      await page.keyboard.press("ControlOrMeta+a");
      await page.keyboard.type(campaignId);
      await page.keyboard.press("Enter");
      await untilFigure(page, "campaign", "remaining", 60);
      await untilFigure(page, "campaign", "state", "open");

      const answers = await crowd(campaignId, 90, 45);
      await untilFigure(page, "campaign", "state", "sold-out");
      await untilFigure(page, "campaign", "issued", 60);
      await untilFigure(page, "ledger", "confirmed", 60);
      await untilFigure(page, "ledger", "pending", 0);
      const winners = answers.filter(({ answer }) => answer.status === 201);
      expect(winners).toHaveLength(60);

      // One comes back …
      await page.getByLabel("Coupon id").fill(winners[0]?.answer.body.couponId);
      // Enter in the field is the button beside it, which asks first.
      await page.getByLabel("Coupon id").press("Enter");
      await page.getByRole("dialog").getByRole("button", { name: "Cancel a coupon" }).click();
      await untilFigure(page, "campaign", "remaining", 1);
      await untilFigure(page, "campaign", "state", "open");
      // … and somebody else has it.
      const loser = answers.find(({ answer }) => answer.status === 409);
      // What a container remembers of the end of the stock is up to a second old.
      const again = await eventually(
        () => api.call("POST", `/campaigns/${campaignId}/coupons`, { token: loser?.token ?? "" }),
        ({ status }) => status === 201,
      );
      expect(again.body.ticket).toBe(winners[0]?.answer.body.ticket);
      await untilFigure(page, "campaign", "state", "sold-out");

      await page.getByRole("button", { name: "Verify now" }).click();
      await page.locator('[data-panel="checks"] [data-consistent="true"]').waitFor();

      // Redis dies and comes back: the campaign is fenced, recovered from the ledger, and stands as before.
      const before = pidOf("redis");
      process.kill(before, "SIGKILL");
      await page
        .locator('[data-panel="campaign"] [data-code], [data-figure="state"][data-value="recovering"]')
        .first()
        .waitFor();
      // What is shown as old says nothing of the Redis that is there now.
      await page.locator('[data-panel="campaign"][data-stale="false"] [data-value="sold-out"]').waitFor();
      await untilFigure(page, "campaign", "issued", 60);
      expect(pidOf("redis")).not.toBe(before);
    });
  });

  it("shows no zeros for what nobody knows: a campaign that is recovered has a gap in its figures, and no burst after it", async () => {
    const campaignId = await api.campaign({ stock: 50 });
    await crowd(campaignId, 20, 100);
    await eventually(
      () => api.call("GET", `/ops/campaigns/${campaignId}`, { token: operator }),
      ({ body }) => body.confirmed === 20,
    );
    await visit(`#/campaigns/${campaignId}`, async (page) => {
      await untilFigure(page, "campaign", "issued", 20);
      await page.evaluate(() => {
        const shown = new Set<string>();
        const look = () => {
          for (const it of document.querySelectorAll<HTMLElement>("[data-figure]"))
            shown.add(`${it.dataset.figure} ${it.dataset.value ?? "–"}`);
        };
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
        Object.assign(window, { shown });
      });
      const redis = new Redis(stack.file.redis);
      await redis.flushall();
      redis.disconnect();
      await untilFigure(page, "campaign", "state", "recovering");
      await untilFigure(page, "campaign", "state", "open");
      await untilFigure(page, "ledger", "confirmed", 20);
      const shown = await page.evaluate(() => [...(window as unknown as { shown: Set<string> }).shown]);
      const of = (name: string) => shown.filter((it) => it.startsWith(`${name} `)).sort();
      expect(of("issued")).toEqual(["issued 20", "issued –"]);
      expect(of("remaining")).toEqual(["remaining 30", "remaining –"]);
      expect(of("confirmed")).not.toContain("confirmed 0");
      // Nobody asked for a coupon: whoever reads the chart's table sees no rate but none, and the gap.
      const rates = page.locator('[data-panel="campaign"] .chart').nth(1).locator("td");
      await rates.filter({ hasText: /^0$/ }).last().waitFor({ state: "attached" });
      expect((await rates.allTextContents()).filter((it) => it !== "0" && it !== "–")).toEqual([]);
    });
  });

  it("undoes nothing that another operator does while a form is open, and goes back from one that changed nothing", async () => {
    const roomId = unique("door");
    const put = (rules: object) => api.call("PUT", `/rooms/${roomId}`, { token: operator, body: rules });
    const rules = { capacity: 10, admitPerSecond: 5, passSeconds: 60 };
    const now = async () => {
      const { body } = await api.call("GET", "/rooms?limit=100", { token: operator });
      return body.items.find((it: { roomId: string }) => it.roomId === roomId)?.rules;
    };
    await put(rules);
    await visit(`#/rooms/${roomId}/edit`, async (page) => {
      // The whole form: somebody closes the room meanwhile.
      await page.locator('[name="passSeconds"]').fill("90");
      await put({ ...rules, open: false });
      await page.getByRole("button", { name: "Save" }).click();
      await page.locator('[data-panel="room-rules"]').waitFor();
      expect(await now()).toMatchObject({ passSeconds: 90, open: false });

      // The quick one: somebody raises the capacity meanwhile, which the page hears of.
      await page.getByRole("button", { name: "Change rate and capacity" }).click();
      await page.locator('[name="admitPerSecond"]').fill("7");
      await put({ ...rules, capacity: 99 });
      await untilFigure(page, "room-rules", "rule-capacity", 99);
      await page.getByRole("button", { name: "Save" }).click();
      await page.locator('[name="admitPerSecond"]').waitFor({ state: "detached" });
      expect(await now()).toMatchObject({ capacity: 99, admitPerSecond: 7 });
    });
    const campaignId = await api.campaign({ stock: 5 });
    await visit(`#/campaigns/${campaignId}/edit`, async (page) => {
      await page.locator('[name="stock"]').waitFor();
      await page.getByRole("button", { name: "Save" }).click();
      await untilFigure(page, "campaign", "stock", 5);
    });
  });

  it("does not say that all is well while the dead letters cannot be read", async () => {
    await visit("#/signals", async (page) => {
      await page.locator('[data-panel="attention"] [data-concerns]').waitFor();
      expect(await page.locator('[data-concern="letters-unknown"]').count()).toBe(0);
      const problem = { title: "Unavailable", detail: "Come back later", code: "unavailable", status: 503 };
      await page.route("**/ops/dead-letters?*", (route) =>
        route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify(problem) }),
      );
      await page.reload();
      await page.locator('[data-concern="letters-unknown"]').waitFor();
      expect(await page.getByText("All is well.").count()).toBe(0);
    });
  });

  it("leaves the focus on the button that was pressed", async () => {
    const campaignId = await api.campaign({ stock: 5 });
    await visit(`#/campaigns/${campaignId}`, async (page) => {
      await page.getByRole("button", { name: "Verify now" }).focus();
      await page.keyboard.press("Enter");
      await page.locator('[data-panel="checks"] [data-consistent="true"]').waitFor();
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Verify now");
    });
  });

  it("is a shopper's page too: a coupon that is certain and used, and one that is told honestly while the queue is away", async () => {
    const campaignId = await api.campaign({ stock: 10 });
    const said = (word: string) => `[data-panel="get"] [data-word="${word}"]`;
    const be = async (page: Page, name: string) => {
      await page.locator('[data-panel="who"] input').first().fill(name);
      await page.getByRole("button", { name: "That is me" }).click();
      await page.locator('[data-panel="my-coupons"] .quiet').waitFor();
    };
    await visit(`#/shop?campaign=${campaignId}`, async (page) => {
      await be(page, unique("mina"));
      await page.getByRole("button", { name: "Get a coupon" }).click();
      await page.locator(said("issued")).waitFor();
      await page.locator('[data-coupon][data-state="confirmed"]').waitFor();
      await page.getByLabel("Order number").fill("order-1");
      await page.getByRole("button", { name: "Use it for this order" }).click();
      await page.locator('[data-coupon][data-state="used"]').waitFor();

      await be(page, unique("jun"));
      const sqs = pidOf("sqs");
      process.kill(sqs, "SIGSTOP");
      try {
        await page.getByRole("button", { name: "Get a coupon" }).click();
        await page.locator(said("accepted")).waitFor();
        await page.locator('[data-coupon][data-state="pending"]').waitFor();
      } finally {
        process.kill(sqs, "SIGCONT");
      }
      // The sweeper runs once a minute by itself.
      await api.call("POST", "/_local/schedules/sweep/run");
      await page.locator('[data-coupon][data-state="confirmed"]').waitFor({ timeout: 60_000 });
      await page.getByRole("button", { name: "Give it back" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Give it back" }).click();
      await page.locator('[data-coupon][data-state="cancelled"]').waitFor();
    });
  });

  it("tells the story by its buttons: a rush, Redis killed in the midst of it, and a verdict that holds", async () => {
    await visit("#/demos", async (page) => {
      // The button's rush is for people with a minute; the same with fewer people is for a test.
      await page.route("**/_local/demos/rush", (route) =>
        route.continue({ postData: JSON.stringify({ users: 4_000, stock: 400 }) }),
      );
      await page.getByRole("button", { name: "Start a rush" }).click();
      const link = page.locator('[data-panel="rush"]').getByRole("link", { name: /^Watch the campaign/ });
      const campaignId = (await link.getAttribute("href"))?.split("/").at(-1) ?? "";
      await eventually(
        async () => (await api.call("GET", `/campaigns/${campaignId}`)).body.issued,
        (issued) => issued > 50,
      );
      const before = pidOf("redis");
      await page.getByRole("button", { name: "Kill Redis" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Kill Redis" }).click();
      await page.locator('[data-panel="rush"] [data-state="held"]').first().waitFor({ timeout: 90_000 });
      expect(pidOf("redis")).not.toBe(before);
      const rows = page.locator('[data-panel="rush"] [data-guarantee]');
      expect(await rows.count()).toBeGreaterThanOrEqual(5);
      expect(await page.locator('[data-panel="rush"] [data-holds="false"]').count()).toBe(0);
      await page.screenshot({ path: join(PICTURES, "story.png"), fullPage: true });
      await link.click();
      await untilFigure(page, "campaign", "issued", 400);
      await untilFigure(page, "ledger", "confirmed", 400);
    });
  });

  it("shows what the API says, at ten moments of a rush, within one polling interval", async () => {
    const campaignId = await api.campaign({ stock: 200 });
    interface Sample {
      readonly at: number;
      readonly remaining: number;
      readonly issued: number;
      readonly confirmed: number;
    }
    const samples: Sample[] = [];
    await visit(`#/campaigns/${campaignId}`, async (page) => {
      await untilFigure(page, "campaign", "remaining", 200);
      await untilFigure(page, "ledger", "confirmed", 0);
      let isOver = false;
      const sampling = (async () => {
        while (!isOver) {
          const [shown, watched] = await Promise.all([
            api.call("GET", `/campaigns/${campaignId}`),
            api.call("GET", `/ops/campaigns/${campaignId}`, { token: operator }),
          ]);
          const { remaining, issued } = shown.body;
          samples.push({ at: Date.now(), remaining, issued, confirmed: watched.body.confirmed });
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      })();
      const asking = crowd(campaignId, 240, 24);

      const moments: { at: number; name: keyof Sample; value: number; stale: boolean }[] = [];
      for (let moment = 0; moment < 10; moment++) {
        await new Promise((resolve) => setTimeout(resolve, 900));
        // All at once, as an eye sees it.
        moments.push(
          ...(await page.evaluate(() =>
            (
              [
                ["campaign", "remaining"],
                ["campaign", "issued"],
                ["ledger", "confirmed"],
              ] as const
            ).map(([panel, name]) => {
              const section = document.querySelector<HTMLElement>(`[data-panel="${panel}"]`);
              const shown = section?.querySelector<HTMLElement>(`[data-figure="${name}"]`);
              return {
                at: Number(section?.dataset.at),
                stale: section?.dataset.stale === "true",
                name,
                value: Number(shown?.dataset.value),
              };
            }),
          )),
        );
      }
      await asking;
      await untilFigure(page, "campaign", "remaining", 0);
      isOver = true;
      await sampling;

      expect(moments).toHaveLength(30);
      for (const { at, name, value, stale } of moments) {
        expect(stale, `${name} is shown as old`).toBe(false);
        const near = samples.filter((sample) => sample.at >= at - POLL_MS && sample.at <= at + POLL_MS);
        expect(near.length, "the API was asked around that time").toBeGreaterThan(0);
        const values = near.map((sample) => sample[name]);
        expect(value, `${name} at ${at}`).toBeGreaterThanOrEqual(Math.min(...values));
        expect(value, `${name} at ${at}`).toBeLessThanOrEqual(Math.max(...values));
      }
      // The rush was on: the moments do not all show the same.
      const shown = moments.filter(({ name }) => name === "remaining").map(({ value }) => value);
      expect(new Set(shown).size).toBeGreaterThan(5);
      expect(shown).toEqual([...shown].sort((a, b) => b - a));
    });
  });

  it("says that it is disconnected, shows old numbers as old, and comes back by itself", async () => {
    const campaignId = await api.campaign({ stock: 5 });
    await visit(`#/campaigns/${campaignId}`, async (page, context) => {
      await untilFigure(page, "campaign", "remaining", 5);
      await context.setOffline(true);
      await page.locator('.connection[data-connected="false"]').waitFor();
      await page.locator('[data-panel="campaign"][data-stale="true"] .as-of').waitFor();
      await context.setOffline(false);
      await page.locator('.connection[data-connected="true"]').waitFor({ state: "attached" });
      await page.locator('[data-panel="campaign"][data-stale="false"]').waitFor();
      expect(await figure(page, "campaign", "remaining").getAttribute("data-value")).toBe("5");
    });
  });

  it("asks only for what is seen: nothing while the page is hidden, nothing of a view that was left", async () => {
    const campaignId = await api.campaign({ stock: 5 });
    await visit(`#/campaigns/${campaignId}`, async (page) => {
      await untilFigure(page, "campaign", "remaining", 5);
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await page.waitForRequest((request) => request.url().endsWith(`/campaigns/${campaignId}`));

      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      asked.length = 0;
      await page.waitForTimeout(3 * POLL_MS);
      expect(asked).toEqual([]);

      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => false });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await page.waitForRequest((request) => request.url().endsWith(`/campaigns/${campaignId}`));

      await page.getByRole("navigation").getByRole("link", { name: "Campaigns" }).click();
      await page.locator(`[data-campaign="${campaignId}"]`).waitFor();
      asked.length = 0;
      await page.waitForRequest((request) => request.url().includes("/campaigns?"));
      expect(asked.filter((path) => path.includes(campaignId))).toEqual([]);
    });
  });

  it("speaks Korean where the browser does, and remembers what was chosen", async () => {
    await visit(
      "#/campaigns",
      async (page) => {
        await page.getByRole("heading", { level: 1, name: "캠페인" }).waitFor();
        expect(await page.getAttribute("html", "lang")).toBe("ko");
        await page.getByLabel("언어").selectOption("en");
        await page.getByRole("heading", { level: 1, name: "Campaigns" }).waitFor();
        await page.getByLabel("Colours").selectOption("dark");
        await page.reload();
        await page.getByRole("heading", { level: 1, name: "Campaigns" }).waitFor();
        expect(await page.getAttribute("html", "data-theme")).toBe("dark");
      },
      { locale: "ko-KR" },
    );
  });

  it("is there with less than 100 KB, compressed", async () => {
    await visit("#/campaigns", async (page, context) => {
      const session = await context.newCDPSession(page);
      await session.send("Network.enable");
      await session.send("Network.setCacheDisabled", { cacheDisabled: true });
      const names = new Map<string, string>();
      const sizes = new Map<string, number>();
      session.on("Network.requestWillBeSent", ({ requestId, request }) => names.set(requestId, request.url));
      session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
        const url = names.get(requestId);
        if (url?.startsWith(stack.file.console)) sizes.set(url, encodedDataLength);
      });
      await page.reload();
      await page.locator('[data-panel="campaigns"] table, [data-panel="campaigns"] .quiet').first().waitFor();
      const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
      console.log(`first load of the console: ${sizes.size} files, ${total} bytes with headers`);
      expect(sizes.size).toBeGreaterThan(3);
      expect(total).toBeLessThan(100_000);
    });
  });

  it("has the chart library only where there is a chart, and all of a view with charts within the same 100 KB", async () => {
    const campaignId = await api.campaign({ stock: 5 });
    await visit(`#/campaigns/${campaignId}`, async (page) => {
      await page.locator(".plot canvas").first().waitFor();
      const total = await page.evaluate(() =>
        (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
          .filter(({ name }) => name.includes("/console/"))
          .reduce((sum, { transferSize }) => sum + transferSize, 0),
      );
      console.log(`a campaign with its charts: ${total} bytes`);
      expect(total).toBeGreaterThan(10_000);
      expect(total).toBeLessThan(100_000);
    });
  });

  /** Faults of access that keep somebody out, in words. */
  async function faultsOf(page: Page): Promise<string[]> {
    const { violations } = await new AxeBuilder({ page }).analyze();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  }

  describe("on a running rush", () => {
    const campaignId = "flash-sale";
    let isOver = false;
    let running: Promise<unknown> = Promise.resolve();

    /** People who come to the campaign, to the room and to the shop, until the pictures are taken. */
    beforeAll(async () => {
      const now = Date.now();
      const opensAt = new Date(now).toISOString();
      const closesAt = new Date(now + 3_600_000).toISOString();
      const campaign = { campaignId, name: "Flash sale: 10 % off", stock: 5_000, opensAt, closesAt };
      const rules = { weights: { view: 1, like: 5, cart: 10, sale: 50, revenue: 0 }, halfLifeHours: 24 };
      const put = (path: string, body: unknown) => api.call("PUT", path, { token: operator, body });
      const made = await Promise.all([
        api.call("POST", "/campaigns", { token: operator, body: campaign }),
        put("/rooms/door", { capacity: 40, admitPerSecond: 5, passSeconds: 20 }),
        put("/boards/best", rules),
      ]);
      expect(made.map(({ status }) => status)).toEqual([201, 200, 200]);
      const names = ["tea", "mug", "kettle", "teapot", "strainer", "tray", "honey", "biscuits", "spoon", "cosy"];
      /** Those in the room who still look at it. */
      let waiting: string[] = [];
      const turn = async (n: number) => {
        const users = Array.from({ length: 12 }, () => unique("u"));
        const tokens = Object.values(await api.tokens(users));
        const events = names.flatMap((productId, i) =>
          Array.from({ length: 1 + (((n + 3) * (names.length - i)) % 7) }, () => ({ type: "view", productId })),
        );
        const sale = { type: "sale", productId: names[n % 4], quantity: 1, amount: 1_200 };
        const headers = { "idempotency-key": unique("e") };
        waiting = [...waiting, ...tokens.slice(0, 3)].slice(-60);
        await Promise.all([
          ...waiting.map((token) => api.call("GET", "/rooms/door/tickets/me", { token })),
          ...tokens.map((token) => api.call("POST", `/campaigns/${campaignId}/coupons`, { token })),
          ...tokens.slice(0, 3).map((token) => api.call("POST", "/rooms/door/tickets", { token })),
          api.call("POST", "/events", { token: operator, headers, body: { events: [...events, sale] } }),
        ]);
      };
      const run = async () => {
        for (let n = 0; !isOver; n++) {
          await turn(n);
          await new Promise((resolve) => setTimeout(resolve, 400));
        }
      };
      running = run();
      // Until the shop's first list is published: before, there is nothing to see.
      await eventually(
        () => api.call("GET", "/boards/best/top?window=1h"),
        ({ body }) => body.items?.length > 5,
      );
    });
    afterAll(async () => {
      isOver = true;
      await running;
    });

    const views: readonly (readonly [name: string, place: string, panel: string])[] = [
      ["campaigns", "#/campaigns", "campaigns"],
      ["campaign", `#/campaigns/${campaignId}`, "campaign"],
      ["campaign-form", "#/campaigns/new", "campaign-form"],
      ["rooms", "#/rooms", "rooms"],
      ["room", "#/rooms/door", "room"],
      ["room-form", "#/rooms/new", "room-form"],
      ["boards", "#/boards", "boards"],
      ["board", "#/boards/best?window=1h", "top"],
      ["board-form", "#/boards/new", "board-form"],
      ["signals", "#/signals", "servers"],
      ["letters", "#/letters", "letters"],
      ["shop", `#/shop?campaign=${campaignId}`, "offer"],
      ["demos", "#/demos", "rush"],
    ];

    it.each(views)(
      "the view of %s keeps nobody out, in light and dark, on a desk and on a phone",
      async (name, place, panel) => {
        const looks = [
          ["light", { theme: "light", viewport: DESKTOP }],
          ["dark", { theme: "dark", viewport: DESKTOP }],
          ["phone", { theme: "light", viewport: PHONE }],
        ] as const;
        for (const [look, how] of looks) {
          await visit(
            place,
            async (page) => {
              await page.locator(`[data-panel="${panel}"]`).first().waitFor();
              await page.waitForFunction(() => !document.querySelector("main")?.innerText.includes("Loading"));
              // Some seconds of a rush, so that a line is to be seen.
              if (await page.locator(".plot").count()) await page.locator(".plot canvas").first().waitFor();
              if (name === "campaign" || name === "room") await page.waitForTimeout(look === "light" ? 5_000 : 2_000);
              await page.screenshot({ path: join(PICTURES, `${name}-${look}.png`), fullPage: true });
              expect(await faultsOf(page)).toEqual([]);
              // Nothing is wider than the page, which would then be pushed to and fro.
              const [width, inner] = await page.evaluate(
                () => [document.documentElement.scrollWidth, innerWidth] as const,
              );
              expect(width).toBeLessThanOrEqual(inner);
            },
            how,
          );
        }
      },
    );
  });
});
