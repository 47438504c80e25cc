// A strategy may leave promotions to Lifeboat: then a dead primary is replaced without anybody being asked, and never at the price of
// an acknowledged transaction.
import { drill as test, expect } from "./journey.ts";
import type { Dashboard } from "./dashboard.ts";
import { CLUSTER, automatic, cluster, reaches, unattended } from "./moves.ts";

/** The page of the operation that Lifeboat began by itself. */
async function begun(dashboard: Dashboard): Promise<string> {
  await expect.poll(async () => (await unattended(dashboard)).length, { timeout: 30_000 }).toBe(1);
  return `/operations/${(await unattended(dashboard))[0]}`;
}

test.describe("commits wait for a standby", () => {
  test.use({ synchronous: true });
  for (const fault of ["kill", "hang"] as const) {
    test(`${fault} of the primary under load: it is replaced, and no acknowledged row is lost @once`, async ({ lab, dashboard, as }) => {
      test.setTimeout(240_000);
      await automatic(lab, dashboard);
      const load = lab.load({ pauseMs: 1 });
      const vera = await as("vera");
      await vera.goto(`/databases/${CLUSTER}`);
      await expect(vera.getByRole("main")).toContainText("pg-primary-east");
      await lab[fault]("pg-primary-east");
      const path = await begun(dashboard);
      await reaches(vera, path, /succeeded/, 60_000);
      await expect(vera.getByRole("main")).toContainText(/it holds every one|no standby has them/);
      const report = await load.stop();
      expect(report.missing, "acknowledged rows that are gone").toBe(0);
      expect((await dashboard.entries(path)).filter(({ event }) => event === "operation-approved"), "nobody was asked").toEqual([]);
      await expect.poll(async () => (await cluster(dashboard)).writable, { timeout: 10_000 }).toBe(true);
      const after = await cluster(dashboard);
      expect(after.nodes.filter(({ standing }) => /primary/i.test(standing)).map(({ node }) => node), "one writer").toEqual([after.primary]);
      expect(after.primary).not.toBe("pg-primary-east");
      console.log(`${fault}: the longest gap between two acknowledged writes was ${report.longest_gap?.ms} ms`);
    });
  }
});

test("kill of an idle primary whose commits wait for nobody: its log is read, and nothing is missing @once", async ({ lab, dashboard, as }) => {
  test.setTimeout(180_000);
  await automatic(lab, dashboard);
  await lab.kill("pg-primary-east");
  const path = await begun(dashboard);
  const vera = await as("vera");
  await reaches(vera, path, /succeeded/, 60_000);
  await expect(vera.getByRole("main")).toContainText("it holds every one");
  expect((await dashboard.measured(path)).lost_transactions).toBe(0);
});

test("a region that is cut off with the primary is left to people: nothing proves it dead @once", async ({ lab, dashboard }) => {
  test.setTimeout(180_000);
  await automatic(lab, dashboard);
  await lab.cut("us-east-1");
  const decided = async () => JSON.stringify((await dashboard.journal()).filter(({ event }) => event.event === "decided"));
  await expect.poll(decided, { timeout: 40_000 }).toMatch(/"(cluster\/user-database|region\/us-east-1)"/);
  expect(await unattended(dashboard)).toEqual([]);
  expect((await dashboard.journal()).filter(({ event }) => event.event === "operation-started")).toEqual([]);
});
