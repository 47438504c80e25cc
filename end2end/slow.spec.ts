// A service that is slow: inside the time-out it is degraded and nothing is moved, beyond it it is down and left.
import { drill as test, expect } from "./journey.ts";
import { isProtected, reaches } from "./moves.ts";
import { decides, decisions, isServedBy, newest } from "./traffic.ts";
import type { Dashboard } from "./dashboard.ts";

const [EAST, WEST, EU] = ["us-east-1", "us-west-2", "eu-west-1"] as const;
const SERVICE = "api-gateway";

/** The verdicts on the service in the east so far, oldest first. */
async function verdicts(dashboard: Dashboard): Promise<{ to: string; seq: number }[]> {
  const changes = (await dashboard.journal()).filter(({ event }) => {
    const of = event.of as { service?: string; region?: string } | undefined;
    return event.event === "health-changed" && of?.service === SERVICE && of.region === EAST;
  });
  return changes.map(({ seq, event }) => ({ seq, to: String(event.to) }));
}

test.use({ automation: true });

test("a slow service is degraded and stays; slower than the time-out it is down, and clients leave it @once", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(240_000);
  const olga = await as("olga");
  const row = olga.locator("#thresholds tbody tr", { has: olga.locator("th", { hasText: new RegExp(`^${EAST}.*\\bserver`) }) });
  await dashboard.down();
  lab.editEstate((text) => text.replaceAll(/^timeout = "1s"$/gm, 'timeout = "3s"\nslow = "800ms"'));
  await dashboard.start();
  await isProtected(dashboard);
  await isServedBy(lab, SERVICE, [EAST, WEST, EU]);

  await lab.slow(`${SERVICE}.${EAST}`, 1_200);
  await expect.poll(async () => (await verdicts(dashboard)).at(-1)?.to, { timeout: 40_000 }).toBe("degraded");
  await expect(async () => {
    await olga.goto(`/failover/${SERVICE}?period=1h`);
    await expect(olga.getByRole("main")).toContainText(/3 of the last 3 probes complained, latest: answered in 1\d{3} ms, slower than 800 ms/, { timeout: 500 });
  }).toPass({ timeout: 20_000 });
  await expect(row).toContainText("would not have failed over");
  await accessible(olga);
  await isServedBy(lab, SERVICE, [EAST, WEST, EU]);
  expect(await decisions(dashboard, `service/${SERVICE}`), "nothing is thought about doing").toEqual([]);

  await lab.slow(`${SERVICE}.${EAST}`, 20_000);
  await expect.poll(async () => (await verdicts(dashboard)).at(-1)?.to, { timeout: 60_000 }).toBe("down");
  const started = await decides(dashboard, `service/${SERVICE}`, "start", 30_000);
  expect(started.trouble.join()).toMatch(/3 of the last 3 probes failed, latest: no answer within 3000 ms/);
  await isServedBy(lab, SERVICE, [WEST, EU], 60_000);
  await reaches(olga, await newest(dashboard, SERVICE), /succeeded/);
  // As long as it only was slow nothing was asked for: the one failover came after the verdict that it is down.
  const down = (await verdicts(dashboard)).filter(({ to }) => to === "down").map(({ seq }) => seq);
  const requests = (await dashboard.journal()).filter(({ event }) => event.event === "operation-requested").map(({ seq }) => seq);
  expect([down.length, requests.length]).toEqual([1, 1]);
  expect(requests[0]).toBeGreaterThan(down[0] ?? Infinity);

  await lab.heal(`${SERVICE}.${EAST}`);
  await expect.poll(async () => (await verdicts(dashboard)).at(-1)?.to, { timeout: 40_000 }).toBe("ok");
  await olga.goto(`/failover/${SERVICE}?period=1h`);
  await expect(row).toContainText("would have failed over once");
});
