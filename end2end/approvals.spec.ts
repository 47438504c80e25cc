// Approvals: by another person, once, for exactly one plan, and only while what it rests on holds.
import { drill as test, expect } from "./journey.ts";
import { approve, isProtected, openPlan, plan, planPath, reaches, readyToApprove } from "./moves.ts";

test("two people approve at once: one does, the other is told who did", async ({ dashboard, as, consoleClean, javaScriptEnabled }) => {
  test.setTimeout(120_000);
  consoleClean.allow(/Failed to load resource.*approve_operation/); // how a browser remarks on a refusal
  await isProtected(dashboard);
  const olga = await as("olga");
  const people = [{ name: "oskar", page: await as("oskar") }, { name: "anna", page: await as("anna") }];
  const path = await plan(olga, "switchover", "pg-standby-west");
  for (const { page } of people) await readyToApprove(page, path);
  const answers = await Promise.all(people.map(async ({ name, page }) => {
    const answered = page.waitForResponse((answer) => answer.url().includes("approve_operation"));
    // Sent as the button would, at once: a click takes long enough for the other one's approval to have taken the form away.
    await page.locator('form[action*="approve_operation"]').evaluate((form: HTMLFormElement) => { form.requestSubmit(); });
    const answer = await answered;
    // Who was not refused is taken elsewhere, and the answer is gone with that.
    return { name, said: answer.status() >= 400 ? await answer.text() : "" };
  }));
  await expect.poll(async () => (await dashboard.entries(path)).filter(({ event }) => event === "operation-approved").length, { timeout: 10_000 }).toBe(1);
  const approval = (await dashboard.timed(path)).find(({ event }) => event.event === "operation-approved");
  const won = approval?.actor.name ?? "";
  const lost = people.find(({ name }) => name !== won);
  if (!lost) throw new Error(`who lost? ${JSON.stringify(approval)}`);
  const said = answers.find(({ name }) => name === lost.name)?.said ?? "";
  if (javaScriptEnabled) expect(said, "the server's own answer").toContain(`it was approved by ${won} at ${approval?.at.slice(11, 19)} UTC already`);
  // Their page, as it stands there without being opened again: nothing to approve, and who has.
  await expect(lost.page.locator('form[action*="approve_operation"]')).toHaveCount(0);
  await expect(lost.page.getByRole("alert").filter({ hasText: "Refused" })).toContainText(javaScriptEnabled ? `approved by ${won}` : /approved/);
  const agreed = lost.page.getByRole("region", { name: "Who agreed to what" });
  await expect(agreed).toContainText(new RegExp(`Approved\\s*${won} at ${approval?.at.slice(11, 16)}`));

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
