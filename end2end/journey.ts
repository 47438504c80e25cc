// What specs import. `test` shares one lab among the tests of a worker: for journeys that leave it as they found it.
// `drill` gives each test a lab of its own: for journeys that break things.
import { AxeBuilder } from "@axe-core/playwright";
import {
  test as base, expect, type BrowserContext, type BrowserContextOptions, type Fixtures, type Page, type PlaywrightTestArgs, type PlaywrightTestOptions,
  type PlaywrightWorkerArgs, type PlaywrightWorkerOptions,
} from "@playwright/test";
import { Dashboard } from "./dashboard.ts";
import { Lab, type Account, type LabOptions } from "./lab.ts";

export { expect };
export type { Page } from "@playwright/test";
export type { Account } from "./lab.ts";

/** What browsers say on the console of a server that is gone; a test that stops its server may hear it, or not. */
const SERVER_GONE = /Failed to load resource|net::ERR_|Failed to fetch|NetworkError|not all pages could be loaded in advance/;

/** Collects what pages say on the console; a test that ends with anything in it has failed. */
export class ConsoleClean {
  private readonly heard: string[] = [];
  private readonly allowed: RegExp[] = [];

  watch(context: BrowserContext): void {
    context.on("console", (message) => this.heard.push(`${message.type()}: ${message.text()} (${message.location().url})`));
    context.on("weberror", (error) => this.heard.push(`page error: ${error.error().stack ?? error.error().message}`));
    context.on("page", (page) => page.on("crash", () => this.heard.push(`crashed: ${page.url()}`)));
  }

  /** For what a test provokes on purpose. */
  allow(pattern: RegExp): void { this.allowed.push(pattern); }

  unexpected(): string[] {
    return this.heard.filter((text) => !this.allowed.some((pattern) => pattern.test(text)));
  }
}

export interface Journey {
  consoleClean: ConsoleClean;
  /** A page of its own context, signed in as that account; on another device where `device` says so. */
  as: (account: Account, device?: BrowserContextOptions) => Promise<Page>;
  /** Fails, naming rule and element, where the page breaks WCAG 2.1 level A or AA. */
  accessible: (page: Page) => Promise<void>;
}

interface Places {
  lab: Lab;
  dashboard: Dashboard;
}

/** What both kinds of test have, whoever owns the lab. */
const journey = {
  baseURL: async ({ dashboard }, use) => use(dashboard.url),

  // Automatic, and set up before the context it watches, so that it is also the last to look.
  consoleClean: [
    async ({ javaScriptEnabled, dashboard }, use, testInfo) => {
      const stops = dashboard.stops;
      const consoleClean = new ConsoleClean();
      // Every page asks for the wasm early. Without JavaScript nothing comes to use it, and Chromium remarks on that.
      if (!javaScriptEnabled) consoleClean.allow(/\.(wasm|js) was preloaded using link preload but not used/);
      await use(consoleClean);
      if (dashboard.stops > stops) consoleClean.allow(SERVER_GONE);
      if (testInfo.status === "passed") expect(consoleClean.unexpected(), "what the pages said on the console").toEqual([]);
    },
    { auto: true },
  ],

  context: async ({ context, consoleClean }, use) => {
    consoleClean.watch(context);
    await use(context);
  },

  as: async ({ browser, dashboard, consoleClean }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (account, device = {}) => {
      const context = await browser.newContext({ ...device, storageState: await dashboard.session(browser, account) });
      contexts.push(context);
      consoleClean.watch(context);
      return context.newPage();
    });
    for (const context of contexts) await context.close();
  },

  accessible: async ({ browser, javaScriptEnabled }, use) => {
    await use(async (page) => {
      const context = javaScriptEnabled ? undefined : await browser.newContext({ javaScriptEnabled: true });
      const examined = context ? await still(page, context) : page;
      const { violations } = await new AxeBuilder({ page: examined }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]).analyze();
      await context?.close();
      const told = violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help}: ${target.join(" ")}`));
      expect(told, `accessibility of ${page.url()}`).toEqual([]);
    });
  },
} satisfies Fixtures<Journey, object, PlaywrightTestArgs & PlaywrightTestOptions & Places, PlaywrightWorkerArgs & PlaywrightWorkerOptions>;

/** Shares one lab and one server among the tests of a worker. */
export const test = base
  .extend<object, Places>({
    lab: [async ({}, use) => withLab({}, use), { scope: "worker", timeout: 180_000 }],
    dashboard: [async ({ lab }, use) => withDashboard(lab, use), { scope: "worker", timeout: 60_000 }],
  })
  .extend<Journey>(journey);

/** Gives each test a lab and a server of its own; `drill.use({ synchronous: true })` for synchronous
 * replication, `{ automation: true }` where the product may act by itself, `{ patroni: true }` with the second cluster. */
export const drill = base
  .extend<Places & Required<LabOptions>>({
    synchronous: [false, { option: true }],
    automation: [false, { option: true }],
    patroni: [false, { option: true }],
    lab: [async ({ synchronous, automation, patroni }, use) => withLab({ synchronous, automation, patroni }, use), { timeout: 240_000 }],
    dashboard: [async ({ lab }, use) => withDashboard(lab, use), { timeout: 60_000 }],
  })
  .extend<Journey>(journey);

/** What a page without JavaScript shows now, opened where axe, a script itself, can run; none of its own scripts do. */
async function still(page: Page, context: BrowserContext): Promise<Page> {
  const html = (await page.content()).replaceAll(/<script\b[\s\S]*?<\/script>/gi, "");
  const copy = await context.newPage();
  await copy.route(page.url(), (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body: html }));
  await copy.goto(page.url());
  return copy;
}

async function withLab(options: LabOptions, use: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.up(options);
  try {
    await use(lab);
  } finally {
    await lab.down();
  }
}

async function withDashboard(lab: Lab, use: (dashboard: Dashboard) => Promise<void>): Promise<void> {
  const dashboard = await Dashboard.up(lab);
  try {
    await use(dashboard);
  } finally {
    await dashboard.down();
  }
}
