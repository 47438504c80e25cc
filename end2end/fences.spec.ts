// Fences without the word of a host agent: a lease that runs out in a region nobody reaches, and a primary that is told to refuse writes.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { drill as test, expect } from "./journey.ts";
import { CLUSTER, approve, cluster, isProtected, plan, planPath, reaches, request } from "./moves.ts";

test("a region that is cut off with the primary in it: its lease runs out, and that is the fence @once", async ({ lab, dashboard, as }) => {
  test.setTimeout(420_000);
  await dashboard.down();
  lab.editEstate((text) => text.replace(/^\[\[cluster\]\]$/m, '[[cluster]]\nlease = "8s"'));
  await dashboard.start();
  await isProtected(dashboard);
  const load = lab.load({ pauseMs: 2 });
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  // Three renewals: it was put off, not only given.
  await expect.poll(() => Date.now() - began(lab.folder), { timeout: 20_000 }).toBeGreaterThan(9_000);
  await lab.cut("us-east-1");
  const path = await plan(olga, "failover", "pg-standby-west");
  await expect(olga.getByRole("main")).toContainText("Wait until the lease of pg-primary-east has run out");
  await expect(olga.getByRole("main")).not.toContainText("NOT fenced");
  await approve(oskar, path);
  // The replica beside it cannot be told whom to follow either; that is tried for a minute, and recorded.
  await reaches(oskar, path, /succeeded/, 200_000);
  await expect(oskar.getByRole("main")).toContainText(/given leave to take writes for 8s at a time and none since/);
  // The lab looks from inside: it was stopped before anybody else was promoted.
  const east = (await lab.status()).nodes.find(({ id }) => id === "pg-primary-east");
  expect(east?.life, "the old primary, in the region that is still cut off").toBe("dead");
  await lab.mend("us-east-1");
  await expect(async () => {
    const seen = await cluster(dashboard);
    expect(seen.nodes.filter(({ standing }) => /primary/i.test(standing)).map(({ node }) => node)).toEqual(["pg-standby-west"]);
  }).toPass({ timeout: 20_000 });
  await reaches(oskar, await plan(olga, "rejoin", "pg-primary-east"), /succeeded/, 90_000);
  const report = await load.stop();
  const measured = (await cluster(dashboard)).primary;
  expect(measured).toBe("pg-standby-west");
  console.log(`the longest gap between two acknowledged writes was ${report.longest_gap?.ms} ms, ${report.missing} acknowledged rows are gone`);
});

test("a primary whose host agent is gone: it is told to refuse writes, and nothing is lost @once", async ({ lab, dashboard, as }) => {
  test.setTimeout(360_000);
  await isProtected(dashboard);
  const load = lab.load({ pauseMs: 2 });
  process.kill(Number(readFileSync(join(lab.folder, "run/pids/agent.us-east-1.pid"), "utf8").split(" ")[0]), "SIGKILL");
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const steps = olga.getByRole("main");
  await expect(async () => {
    await olga.goto(planPath("failover", "pg-standby-west"));
    await expect(steps).toContainText("Have pg-primary-east refuse writes", { timeout: 1_000 });
  }).toPass({ timeout: 20_000 });
  // It is well, so this takes two people who say that they go on all the same.
  await olga.locator('input[name="override_blockers"]').check();
  const path = await request(olga);
  await approve(oskar, path);
  // The replica beside it cannot be told whom to follow either; that is tried for a minute, and recorded.
  await reaches(oskar, path, /succeeded/, 200_000);
  await expect(oskar.getByRole("main")).toContainText(/refuses writes, \d+ sessions of clients were ended/);
  await expect(oskar.getByRole("main")).toContainText("pg-standby-west holds all of it");
  const report = await load.stop();
  expect(report.missing, "acknowledged rows that are gone").toBe(0);
  const after = await cluster(dashboard);
  expect([after.primary, after.writable]).toEqual(["pg-standby-west", true]);
  const old = await (await as("vera")).goto(`/databases/${CLUSTER}`);
  expect(await old?.text()).not.toContain("SPLIT BRAIN");
});

/** When the first lease was given: the keeper's own file is as old as that. */
function began(folder: string): number {
  const root = (JSON.parse(readFileSync(join(folder, "lab.json"), "utf8")) as { node_root: string }).node_root;
  try {
    return statSync(join(root, "pg/pg-primary-east.lease.keeper")).mtimeMs;
  } catch {
    return Date.now();
  }
}
