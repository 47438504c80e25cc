// Every page, with and without JavaScript: it opens, has a title and one main heading, breaks no rule of accessibility,
// and says nothing on the console.
import { expect, test } from "./journey.ts";
import { isProtected, planPath } from "./moves.ts";
import { movePath } from "./traffic.ts";

const PAGES = ["/", "/services", "/services?sort=rto&q=auth", "/services/authentication", "/databases", "/databases/user-database", planPath("switchover"), "/operations", "/journal", "/notifications",
  "/failover", "/failover/decisions", "/failover/webhook-service", movePath("webhook-service", "planned", ["us-west-2"]), "/failover/evacuate/us-east-1?mode=planned"];

for (const path of PAGES) {
  test(`${path} is whole and accessible`, async ({ as, accessible, dashboard }) => {
    await isProtected(dashboard);
    const page = await as("vera");
    const answer = await page.goto(path);
    expect(answer?.status()).toBe(200);
    await expect(page).toHaveTitle(/Lifeboat/);
    await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
    await accessible(page);
    expect(answer?.headers()["content-security-policy"]).toMatch(/script-src [^;]*'nonce-/);
  });
}

test("the seven undefined dependencies are findings", async ({ as, dashboard }) => {
  await isProtected(dashboard);
  const page = await as("vera");
  const undefined_ = { "api-gateway": ["rate-limiter"], "model-router": ["provider-connectors", "cache"], authentication: ["token-store"],
    "billing-service": ["billing-database"], "webhook-service": ["webhook-queue"], "logging-service": ["log-storage"] };
  for (const [service, missing] of Object.entries(undefined_)) {
    await page.goto(`/services/${service}`);
    for (const dependency of missing) await expect(page.getByRole("main")).toContainText(`depends on ${dependency}`);
  }
});

test("the page of a cluster shows slots, archive, disks and timelines as both witnesses have them", async ({ as, dashboard }) => {
  await isProtected(dashboard);
  const page = await as("vera");
  await expect(async () => {
    await page.goto("/databases/user-database");
    const primary = page.getByRole("row", { name: /^pg-primary-east .*pg_standby_west/ });
    await expect(primary).toContainText(/pg_replica_east: in use, keeps/, { timeout: 1_000 });
    await expect(primary).toContainText(/last [0-9A-F]{24}|nothing archived yet/, { timeout: 1_000 });
    await expect(primary).toContainText(/data: .* free of/, { timeout: 1_000 });
    await expect(page.getByRole("row", { name: /^pg-standby-west .*on after a promotion/ })).toHaveCount(1, { timeout: 1_000 });
  }).toPass({ timeout: 20_000 });
  await expect(page.getByRole("main"), "the lab's roles have what they need").not.toContainText("is missing on");
});

test("an unknown service, cluster or operation is a page that says so", async ({ as, consoleClean }) => {
  consoleClean.allow(/Failed to load resource/); // a browser remarks on every answer that is not a success
  const page = await as("vera");
  for (const path of ["/services/nobody", "/databases/nobody", "/failover/nobody", "/failover/nobody/plan?mode=planned", "/failover/evacuate/nowhere", "/operations/00000000-0000-7000-8000-000000000000", "/nowhere"]) {
    await page.goto(path);
    await expect(page.getByRole("main")).toContainText(/no (service|cluster|operation|region|such page)|not found|no page|does not exist/i);
  }
});

test("a wrong password is refused and the way back is kept", async ({ page }) => {
  await page.goto("/databases");
  await expect(page).toHaveURL(/\/login\?next=%2Fdatabases/);
  await page.locator('input[name="name"]').fill("olga");
  await page.locator('input[name="password"]').fill("not the password");
  await page.locator('input[name="password"]').press("Enter");
  await expect(page).toHaveURL(/\/login\?error=wrong/);
  await expect(page.getByRole("main")).toContainText(/is wrong/);
});

test("a plan can be opened and requested with the keyboard alone @live", async ({ as, dashboard }) => {
  await isProtected(dashboard);
  const page = await as("olga");
  await page.goto("/databases/user-database");
  const link = page.getByRole("link", { name: /plan a switchover/i }).first();
  await link.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/plan\?kind=switchover/);
  await page.locator('textarea[name="reason"]').focus();
  await page.keyboard.type("with the keyboard");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/operations\//);
  const cancel = page.locator('form[action*="cancel_operation"]');
  if (!(await cancel.isVisible())) await page.locator("details", { has: cancel }).locator("summary").press("Enter");
  await cancel.locator("textarea").fill("only a try");
  await cancel.getByRole("button").click();
  await expect(page.locator('[aria-label="State of the operation"]')).toContainText(/cancelled/);
});
