// A planned switchover while clients write: nothing acknowledged is lost, and everything follows the new primary.
import { drill as test, expect } from "./journey.ts";
import { approve, cluster, isProtected, plan, reaches } from "./moves.ts";

test("a planned switchover under load loses no acknowledged row", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(150_000);
  await isProtected(dashboard);
  const load = lab.load({ pauseMs: 2 });
  const [olga, oskar] = [await as("olga"), await as("oskar")];

  const path = await plan(olga, "switchover", "pg-standby-west");
  await expect(olga.getByText("You requested it; another person must approve it.")).toBeVisible();
  await accessible(olga);

  await approve(oskar, path);
  await reaches(oskar, path, /succeeded/);
  await accessible(oskar);
  await expect(oskar.getByRole("main")).toContainText(/Recovery time/);
  await expect(oskar.getByRole("main")).toContainText(/met/);

  const report = await load.stop();
  expect(report.acknowledged).toBeGreaterThan(50);
  expect(report.missing, "acknowledged rows lost").toBe(0);

  await isProtected(dashboard);
  const after = await cluster(dashboard);
  expect(after.primary).toBe("pg-standby-west");
  expect(after.routed_to).toEqual(["pg-standby-west"]);
});
