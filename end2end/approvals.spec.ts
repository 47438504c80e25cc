// Approvals: by another person, once, for exactly one plan, and only while what it rests on holds.
import { drill as test, expect } from "./journey.ts";
import { approve, isProtected, openPlan, plan, planPath, reaches } from "./moves.ts";

test("two people approve at once: one does, the other is told who did", async ({ dashboard, as, consoleClean }) => {
  test.setTimeout(120_000);
  consoleClean.allow(/Failed to load resource.*approve_operation/); // how a browser remarks on a refusal
  await isProtected(dashboard);
  const [olga, oskar, anna] = [await as("olga"), await as("oskar"), await as("anna")];
  const path = await plan(olga, "switchover", "pg-standby-west");
  const approvals = [oskar, anna].map(async (page) => {
    await page.goto(path);
    const form = page.locator('form[action*="approve_operation"]');
    await form.locator('textarea[name="reason"]').fill("agreed");
    return form.getByRole("button");
  });
  const buttons = await Promise.all(approvals);
  await Promise.all(buttons.map((button) => button.click()));
  await reaches(olga, path, /succeeded/);
  const entries = await dashboard.entries(path);
  expect(entries.filter(({ event }) => event === "operation-approved")).toHaveLength(1);
  expect(entries.filter(({ event }) => event === "operation-started")).toHaveLength(1);
});

test("a stale confirmation page is refused with what changed", async ({ dashboard, as }) => {
  test.setTimeout(120_000);
  await isProtected(dashboard);
  const [olga, oskar, anna] = [await as("olga"), await as("oskar"), await as("anna")];
  await openPlan(olga, "switchover", "pg-standby-west");
  const form = olga.locator('form[action*="request_operation"]');
  const shown = await form.locator('input[name="plan_hash"]').getAttribute("value");
  // Somebody else moves the writes meanwhile.
  const path = await plan(oskar, "switchover", "pg-replica-east");
  await approve(anna, path);
  await reaches(oskar, path, /succeeded/);
  await isProtected(dashboard);

  const stale = await dashboard.post(olga, "/api/request_operation", {
    id: crypto.randomUUID(), kind: "switchover", cluster: "user-database", node: "pg-standby-west", plan_hash: shown ?? "", reason: "a stale page",
  });
  expect(stale).toMatch(/look at it again/);
});

test("a target that falls ill between plan and approval makes the request void", async ({ lab, dashboard, as }) => {
  test.setTimeout(120_000);
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const path = await plan(olga, "switchover", "pg-standby-west");
  await lab.kill("pg-standby-west");
  await reaches(oskar, path, /^\s*void/);
  await expect(oskar.locator('form[action*="approve_operation"]')).toHaveCount(0);
});

test("a viewer sees the plan and cannot request it", async ({ dashboard, as }) => {
  await isProtected(dashboard);
  const vera = await as("vera");
  await vera.goto(planPath("switchover", "pg-standby-west"));
  await expect(vera.locator('form[action*="request_operation"]')).toHaveCount(0);
  const refused = await dashboard.post(vera, "/api/request_operation", {
    id: crypto.randomUUID(), kind: "switchover", cluster: "user-database", node: "pg-standby-west", plan_hash: "0".repeat(64), reason: "trying",
  });
  expect(refused).toMatch(/may not request operations/);
});
