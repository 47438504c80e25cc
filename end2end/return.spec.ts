// After a move: how exposed the service is until its old region is back, and what keeps clients from returning too early.
import { drill as test, expect } from "./journey.ts";
import { approve, isProtected, plan, reaches } from "./moves.ts";
import { isServedBy, move, movePath } from "./traffic.ts";
import type { Dashboard } from "./dashboard.ts";

const [EAST, WEST, EU] = ["us-east-1", "us-west-2", "eu-west-1"] as const;

/** The newest entry of that kind about that service, if there is one. */
async function latest(dashboard: Dashboard, event: string, service: string) {
  return (await dashboard.journal()).findLast((entry) => entry.event.event === event && entry.event.service === service);
}

test("clients do not return before the dwell time is over: until then the plan says what is missing of it @once", async ({ lab, dashboard, as }) => {
  test.setTimeout(240_000);
  const DWELL_MS = 20_000; // long enough to be looked at on a slow machine
  await dashboard.down();
  lab.editEstate((text) => text.replaceAll(/^dwell = ".*"$/gm, 'dwell = "20s"'));
  await dashboard.start();
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await lab.kill(`api-gateway.${EAST}`);
  const away = await move(olga, "api-gateway", "emergency", [WEST, EU], { timeout: 60_000 });
  await approve(oskar, away);
  await reaches(oskar, away, /^\s*succeeded/);
  await isServedBy(lab, "api-gateway", [WEST, EU]);

  await lab.heal(`api-gateway.${EAST}`);
  const back = movePath("api-gateway", "planned", [EAST, WEST, EU]);
  const main = olga.getByRole("main");
  const form = olga.locator('form[action*="request_traffic"]');
  await expect(async () => {
    await olga.goto(back);
    await expect(main).toContainText(/us-east-1 has been well only since \d\d:\d\d:\d\d UTC \(\d+m?s of the 20s it must stay well before clients return\)/, { timeout: 500 });
  }).toPass({ timeout: 40_000 });
  await expect(form.locator('input[name="override_blockers"]'), "it takes two people who say that they go on all the same").toHaveCount(1);
  // Afterwards nothing of it is left, and the request needs no word about it.
  const path = await move(olga, "api-gateway", "planned", [EAST, WEST, EU], { timeout: 60_000 });
  const requested = (await dashboard.timed(path))[0];
  const well = (await dashboard.journal()).findLast(({ event }) => {
    const of = event.of as { service?: string; region?: string } | undefined;
    return event.event === "health-changed" && event.to === "ok" && of?.service === "api-gateway" && of.region === EAST;
  });
  expect(Date.parse(requested?.at ?? "") - Date.parse(String(well?.event.since))).toBeGreaterThanOrEqual(DWELL_MS);
  expect(requested?.event.overridden ?? []).toEqual([]);
  await approve(oskar, path);
  await reaches(oskar, path, /^\s*succeeded/);
  await isServedBy(lab, "api-gateway", [EAST, WEST, EU]);
});

test("a service that was moved is UNPROTECTED, and says since when, until the region it left is back @once", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(240_000);
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await lab.kill(`vector-database.${EAST}`);
  const away = await move(olga, "vector-database", "emergency", [WEST], { timeout: 60_000 });
  await approve(oskar, away);
  await reaches(oskar, away, /^\s*succeeded/);
  await isServedBy(lab, "vector-database", [WEST]);

  await expect.poll(async () => (await latest(dashboard, "service-exposure-began", "vector-database"))?.event.unprotected, { timeout: 20_000 }).toBe(true);
  // The clock runs from the first moment without full protection, not from the move.
  const began = (await dashboard.journal()).find(({ event }) => event.event === "service-exposure-began" && event.service === "vector-database");
  const protection = olga.getByRole("region", { name: "Protection" });
  await expect(async () => {
    await olga.goto("/failover/vector-database");
    await expect(protection).toContainText(new RegExp(`UNPROTECTED since ${began?.at.slice(11, 19)} UTC`), { timeout: 500 });
  }).toPass({ timeout: 20_000 });
  await expect(protection).toContainText("it is down in us-east-1");
  await accessible(olga);
  await olga.goto("/");
  await expect(olga.getByRole("main")).toContainText(/vector-database is UNPROTECTED: it is down in us-east-1/);
  await expect(olga.getByRole("banner")).toContainText(/UNPROTECTED/);

  await lab.heal(`vector-database.${EAST}`);
  await expect.poll(() => latest(dashboard, "service-exposure-ended", "vector-database"), { timeout: 30_000 }).toBeDefined();
  await olga.goto("/failover/vector-database");
  await expect(protection).toContainText("protected");
  await expect(protection).not.toContainText(/unprotected/i);
  await olga.goto("/");
  await expect(olga.getByRole("banner")).not.toContainText(/UNPROTECTED/);
});

test("a service that needs the database does not return while its data is not back @once", async ({ lab, dashboard, as }) => {
  test.setTimeout(240_000);
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const away = await move(olga, "dashboard", "planned", [WEST]);
  await approve(oskar, away);
  await reaches(oskar, away, /^\s*succeeded/);
  await lab.kill("pg-primary-east");
  const failover = await plan(olga, "failover", "pg-standby-west");
  await approve(oskar, failover);
  await reaches(oskar, failover, /^\s*succeeded/, 90_000);

  // The service itself is well in the east again, with its old database dead beside it.
  const main = olga.getByRole("main");
  const override = olga.locator('form[action*="request_traffic"] input[name="override_blockers"]');
  await expect(async () => {
    await olga.goto(movePath("dashboard", "planned", [EAST]));
    await expect(main).toContainText(/the data that dashboard needs is not whole again: [^.]*pg-primary-east of user-database does not stream/, { timeout: 500 });
    await expect(main).not.toContainText(/has been well only since|does not answer well in us-east-1/, { timeout: 100 });
  }).toPass({ timeout: 40_000 });
  await expect(override, "it takes two people who say that they go on all the same").toHaveCount(1);
  // Whoever asks without saying so is refused by the server.
  const form = olga.locator('form[action*="request_traffic"]');
  const fields = Object.fromEntries(await Promise.all(["id", "service", "mode", "to", "plan_hash"].map(async (name) => [name, (await form.locator(`input[name="${name}"]`).getAttribute("value")) ?? ""])));
  const refused = await dashboard.post(olga, "/api/request_traffic", { ...fields, reason: "it will do" });
  expect(refused).toMatch(/needs an explicit override: the data that dashboard needs is not whole again/);

  
  const rejoin = await plan(olga, "rejoin", "pg-primary-east");
  await reaches(olga, rejoin, /^\s*succeeded/, 60_000);
  await isProtected(dashboard);
  const back = await move(olga, "dashboard", "planned", [EAST], { timeout: 40_000 });
  await approve(oskar, back);
  await reaches(oskar, back, /^\s*succeeded/);
  await isServedBy(lab, "dashboard", [EAST]);
});
