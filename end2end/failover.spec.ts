// The primary dies. The page notices, two people agree, the standby takes over, and what was lost is what was said.
import { drill as test, expect } from "./journey.ts";
import { CLUSTER, approve, cluster, isProtected, plan, reaches } from "./moves.ts";

test("kill -9 of the primary under load: the loss reported is the loss measured", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(180_000);
  await isProtected(dashboard);
  const load = lab.load({ pauseMs: 1 });
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await olga.goto(`/databases/${CLUSTER}`);
  await expect(olga.getByRole("main")).toContainText("pg-primary-east");

  await lab.kill("pg-primary-east");
  const path = await plan(olga, "failover");
  await approve(oskar, path);
  await reaches(oskar, path, /succeeded/);
  await accessible(oskar);
  await expect(oskar.getByRole("main")).toContainText("was written through the router and read back on");

  const report = await load.stop();
  const measured = await dashboard.measured(path);
  expect(measured.lost_transactions, "the loss was measured").not.toBeNull();
  // A row that was sent and not acknowledged may have been committed on the node that died: it may count, nothing else.
  expect(measured.lost_transactions).toBeGreaterThanOrEqual(report.missing);
  expect(measured.lost_transactions).toBeLessThanOrEqual(report.missing + report.in_doubt - report.in_doubt_present);
  expect(measured.recovery_time).not.toBeNull();

  // Until the old primary is back as a standby, nothing is green.
  const exposed = await cluster(dashboard);
  expect(exposed.protection.state).not.toBe("protected");
  await oskar.goto(`/databases/${CLUSTER}`);
  await expect(oskar.getByRole("main")).toContainText(/NEEDS REWIND/i);
  await accessible(oskar);

  const rejoin = await plan(oskar, "rejoin", "pg-primary-east");
  await reaches(oskar, rejoin, /succeeded/);
  const steps = (await dashboard.entries(rejoin)).filter(({ event }) => event === "step-ended");
  expect(steps.map(({ state }) => state), "every step was done").toEqual(steps.map(() => "done"));
  expect((await dashboard.measured(rejoin)).lost_transactions, "the same loss, counted again").toBe(measured.lost_transactions);
  await isProtected(dashboard);
});

test("the page notices a dead primary by itself @live", async ({ lab, dashboard, as }) => {
  test.setTimeout(120_000);
  await isProtected(dashboard);
  const vera = await as("vera");
  await vera.goto("/");
  await expect(vera.getByRole("main")).toContainText(/protected/i);
  await lab.kill("pg-primary-east");
  const killed = Date.now();
  await expect(vera.getByRole("main")).toContainText(/no node takes writes/i, { timeout: 10_000 });
  console.log(`noticed on the open page after ${Date.now() - killed} ms`);
});

test("a hung primary does not come back as a second writer", async ({ lab, dashboard, as }) => {
  test.setTimeout(180_000);
  await isProtected(dashboard);
  const load = lab.load({ pauseMs: 2 });
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await lab.hang("pg-primary-east");
  const path = await plan(olga, "failover");
  await approve(oskar, path);
  await reaches(oskar, path, /succeeded/);
  await expect(lab.heal("pg-primary-east"), "a fenced node is not started as a writer").rejects.toThrow(/fenced/i);

  const report = await load.stop();
  const measured = await dashboard.measured(path);
  expect(measured.lost_transactions).toBeGreaterThanOrEqual(report.missing);
  expect(measured.lost_transactions).toBeLessThanOrEqual(report.missing + report.in_doubt - report.in_doubt_present);
  // The status says what the next round of probes saw, a moment after the operation itself proved it.
  await expect.poll(async () => (await cluster(dashboard)).writable, { timeout: 10_000 }).toBe(true);
  const after = await cluster(dashboard);
  expect(after.nodes.filter(({ standing }) => /primary/i.test(standing)).map(({ node }) => node)).toEqual([after.primary]);
  expect(after.primary).not.toBe("pg-primary-east");
});
