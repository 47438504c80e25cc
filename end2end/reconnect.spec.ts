// The server goes while people look at its pages: an open page says so, and when the server is back it shows, without being
// loaded again, what a page opened then shows: nothing lost, nothing twice (row 97).
import { drill as test, expect, type Page } from "./journey.ts";
import { isProtected } from "./moves.ts";
import { move } from "./traffic.ts";

const [EAST, WEST] = ["us-east-1", "us-west-2"] as const;

/** What tells one row of a page from another: its number or address, and what it says beside its ages. */
const ROWS = {
  "/journal": (page: Page) => page.getByRole("main").locator("table.journal tbody tr"),
  "/failover/decisions": (page: Page) => page.getByRole("main").locator("table.ledger tbody tr"),
  "/operations": (page: Page) => page.getByRole("main").locator("table.operations tbody tr"),
} as const;

/** The rows as a person reads them, without how long ago something was. */
async function rows(page: Page, path: keyof typeof ROWS): Promise<string[]> {
  return ROWS[path](page).evaluateAll((found) => found.map((row) => [...row.children].map((cell) => cell.textContent?.trim() ?? "").join(" | ")));
}

test("a page that was open while the server was gone shows what a fresh one shows, without being loaded again @live", async ({ lab, dashboard, as }) => {
  test.setTimeout(240_000);
  await isProtected(dashboard);
  const olga = await as("olga");
  const earlier = await move(olga, "logging-service", "planned", [WEST]);
  const paths = Object.keys(ROWS) as (keyof typeof ROWS)[];
  const open = new Map<keyof typeof ROWS, Page>();
  for (const path of paths) {
    const page = await as("vera");
    await page.goto(path);
    await expect(page.getByRole("banner")).toContainText(/live ·/, { timeout: 30_000 });
    await page.evaluate(() => Object.assign(window, { sameDocument: true }));
    open.set(path, page);
  }

  await dashboard.kill();
  for (const page of open.values()) await expect(page.getByRole("banner")).toContainText(/reconnecting since \d\d:\d\d:\d\d/, { timeout: 30_000 });
  // The world goes on without it; and when the pages hear it again, somebody asks for something.
  await lab.kill(`webhook-service.${EAST}`);
  await dashboard.start();
  for (const page of open.values()) await expect(page.getByRole("banner")).toContainText(/live ·/, { timeout: 30_000 });
  const asked = await move(olga, "vector-database", "planned", [WEST], { timeout: 60_000 });
  const kinds = async () => (await dashboard.journal()).map(({ event }) => (event.event === "decided" ? `decided ${(event.decision as { scope: string }).scope}` : event.event));
  await expect.poll(kinds, { timeout: 40_000 }).toContain("decided service/webhook-service");

  for (const path of paths) await test.step(path, async () => {
    const page = open.get(path);
    if (!page) throw new Error(path);
    const fresh = await page.context().newPage();
    await expect(async () => {
      await fresh.goto(path);
      const [old, now] = [await rows(page, path), await rows(fresh, path)];
      expect(old).toEqual(now);
      expect(new Set(now).size, "no row twice").toBe(now.length);
      expect(now.length).toBeGreaterThan(0);
    }).toPass({ timeout: 30_000 });
    expect(await page.evaluate(() => "sameDocument" in window), "it was not loaded again").toBe(true);
    await fresh.close();
  });
  // Of what happened meanwhile, each is there once.
  const operations = open.get("/operations");
  for (const path of [earlier, asked]) await expect(operations?.getByRole("main").locator(`tbody th a[href="${path}"]`) ?? olga.locator("none")).toHaveCount(1);
  const ledger = open.get("/failover/decisions");
  await expect(ledger?.locator("table.ledger tbody tr", { hasText: "webhook-service is down in us-east-1" }) ?? olga.locator("none")).toHaveCount(1);
});
