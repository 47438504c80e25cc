// What the probes saw, kept and judged again: a replay says of a real failure what the journal says of it.
import { drill as test, expect, type Page } from "./journey.ts";
import type { Dashboard } from "./dashboard.ts";
import { isProtected } from "./moves.ts";
import { decides } from "./traffic.ts";

const [SERVICE, EAST] = ["webhook-service", "us-east-1"];
const row = (page: Page, region: string) => page.locator("#thresholds tbody tr", { has: page.locator("th", { hasText: new RegExp(`^${region}.*\\bserver`) }) });

/** When the journal says that the service became so in the east, and since when. */
async function became(dashboard: Dashboard, to: string): Promise<{ at: string; since: string } | undefined> {
  const entries = await dashboard.journal();
  const found = entries.findLast(({ event }) => {
    const of = event.of as { service?: string; region?: string } | undefined;
    return event.event === "health-changed" && of?.service === SERVICE && of.region === EAST && event.to === to;
  });
  return found && { at: found.at, since: String(found.event.since) };
}

test("thresholds replayed over a real failure say what the journal says, and the ledger knows what the probes saw", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(180_000);
  await isProtected(dashboard);
  const olga = await as("olga");
  await olga.goto(`/failover/${SERVICE}?period=1h`);
  await expect(row(olga, EAST)).toContainText("would not have failed over");

  await lab.kill(`${SERVICE}.${EAST}`);
  await expect.poll(() => became(dashboard, "down"), { timeout: 30_000 }).toBeDefined();
  await decides(dashboard, `service/${SERVICE}`, "recommend", 30_000);
  const down = await became(dashboard, "down");
  await lab.heal(`${SERVICE}.${EAST}`);
  await expect.poll(() => became(dashboard, "ok"), { timeout: 30_000 }).toBeDefined();

  await olga.goto(`/failover/${SERVICE}?period=1h`);
  await expect(row(olga, EAST)).toContainText(/would have failed over once/);
  await expect(row(olga, "us-west-2")).toContainText("would not have failed over");
  await row(olga, EAST).locator("summary").click();
  // The journal names the first probe that failed of anybody's, this row the server's own: a round apart at most.
  const first = await row(olga, EAST).locator("li", { hasText: "first failed probe" }).locator("time").first().getAttribute("datetime");
  expect(Math.abs(Date.parse(first ?? "") - Date.parse(down?.since ?? ""))).toBeLessThanOrEqual(1_000);
  await accessible(olga);

  // The same question as a link: a rule so patient that nothing would have been done, beside the one in force.
  await olga.goto(`/failover/${SERVICE}`);
  const form = olga.locator("#thresholds form");
  await form.locator('input[name="failures"]').fill("60");
  await form.locator('input[name="samples"]').fill("60");
  await form.locator('select[name="period"]').selectOption("1h");
  await form.getByRole("button").click();
  await olga.waitForURL(/failures=60&samples=60/);
  const proposed = olga.locator("#thresholds tr.proposed").first();
  await expect(proposed).toContainText("would not have failed over");
  await expect(proposed).toContainText("once less than with the rule in force");

  await olga.goto(`/failover/${SERVICE}?failures=9&samples=3&wait=soon`);
  await expect(olga.locator("#thresholds [role=alert]")).toContainText(/Wait: “soon” is not a duration/);
  await olga.goto(`/failover/${SERVICE}?failures=9&samples=3`);
  await expect(olga.locator("#thresholds [role=alert]")).toContainText("Failures: 9 failures among 3 probes can never happen");

  // “Why did nothing fail over at …?”: the decision with the probes behind it, and what they saw at any time.
  const after = new Date(Date.parse(down?.at ?? "") + 1_000).toISOString().slice(0, 19); // the second after the verdict
  await olga.goto(`/failover/decisions?scope=service/${SERVICE}&at=${after}`);
  const main = olga.getByRole("main");
  await expect(main.locator(".ledger")).toContainText("recommended");
  await expect(main.locator(".around")).toContainText(/us-east-1\s*down/);
  await expect(main).toContainText(/3 of the last 3 probes failed.*3 of the last 3 are needed/);
  await accessible(olga);
  await olga.goto(`/failover/decisions?scope=service/${SERVICE}&at=2020-01-01T02:13`);
  await expect(main).toContainText("Nothing was decided in the quarter of an hour before and after it.");
  await expect(main.locator(".around")).toContainText("no data");

  // The board shows the last hour; what nobody looked at is not drawn as good.
  await olga.goto("/failover");
  const spark = olga.locator("tr", { hasText: SERVICE }).locator("svg.spark").first();
  await expect(spark).toHaveAttribute("aria-label", /last hour: failing \d+ min.*not known \d+ min/);

  // A killed server keeps what it saw, and the time it was gone is a gap.
  await dashboard.restart();
  await olga.goto(`/failover/${SERVICE}?period=1h`);
  await expect(row(olga, EAST)).toContainText(/would have failed over once/);
});
