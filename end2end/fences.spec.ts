// Fences without the word of a host agent: a lease that runs out in a region nobody reaches, and a primary that is told to refuse writes.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { drill as test, expect } from "./journey.ts";
import type { Dashboard } from "./dashboard.ts";
import type { Lab, LoadReport } from "./lab.ts";
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
  // The west is left behind first, so that something is lost.
  await lab.cut("us-east-1:us-west-2");
  const left = await written(lab);
  await expect.poll(async () => (await written(lab)) - left, { timeout: 20_000 }).toBeGreaterThan(20_000);
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
  const receipt = await as("vera");
  await receipt.goto(`${path}/receipt`);
  await expect(receipt.getByRole("main"), "only its host has its log").toContainText("NOT MEASURED YET");
  await lab.mend("us-east-1");
  await lab.mend("us-east-1:us-west-2");
  await expect(async () => {
    const seen = await cluster(dashboard);
    expect(seen.nodes.filter(({ standing }) => /primary/i.test(standing)).map(({ node }) => node)).toEqual(["pg-standby-west"]);
  }).toPass({ timeout: 20_000 });
  const rejoin = await plan(olga, "rejoin", "pg-primary-east");
  await reaches(oskar, rejoin, /succeeded/, 90_000);
  const report = await load.stop();
  await isCounted(dashboard, rejoin, report);
  const { lost_transactions: lost } = await dashboard.measured(rejoin);
  await receipt.goto(`${path}/receipt`);
  await expect(receipt.getByRole("main"), "the receipt of the failover has what the rejoin counted").toContainText(`${lost} transactions were lost`);
  expect(report.missing, "the west was left behind").toBeGreaterThan(0);
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
  await isCounted(dashboard, path, report);
  const after = await cluster(dashboard);
  expect([after.primary, after.writable]).toEqual(["pg-standby-west", true]);
  const old = await (await as("vera")).goto(`/databases/${CLUSTER}`);
  expect(await old?.text()).not.toContain("SPLIT BRAIN");
});

/** What the operation counted is what the client lost: every acknowledged row that is gone, and of those it had no answer for no more than there were. */
async function isCounted(dashboard: Dashboard, path: string, report: LoadReport): Promise<void> {
  const { lost_transactions: lost } = await dashboard.measured(path);
  expect(lost, "the operation that had the log has counted").not.toBeNull();
  expect(lost, `of ${report.acknowledged} acknowledged rows ${report.missing} are gone`).toBeGreaterThanOrEqual(report.missing);
  expect(lost, "nothing but these rows was written").toBeLessThanOrEqual(report.missing + report.in_doubt - report.in_doubt_present);
}

/** How many bytes of log the primary in the east has written, asked on its host. */
async function written(lab: Lab): Promise<number> {
  return Number(await lab.sql("pg-primary-east", "select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')"));
}

/** When the first lease was given: the keeper's own file is as old as that. */
function began(folder: string): number {
  const root = (JSON.parse(readFileSync(join(folder, "lab.json"), "utf8")) as { node_root: string }).node_root;
  try {
    return statSync(join(root, "pg/pg-primary-east.lease.keeper")).mtimeMs;
  } catch {
    return Date.now();
  }
}
