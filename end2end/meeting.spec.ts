// Two people at once: one of them gets what both ask for, the other reads on the page who did, and since when.
import { drill as test, expect, type Page } from "./journey.ts";
import { isProtected, openPlan, reaches } from "./moves.ts";
import { movePath } from "./traffic.ts";
import type { Account } from "./journey.ts";

/** The time of day in the words of the pages. */
const clock = (at: string) => at.slice(11, 19);

const WAYS = [
  {
    what: "a service", named: "webhook-service", kind: "region failover", posts: "request_traffic",
    open: (page: Page) => page.goto(movePath("webhook-service", "planned", ["us-west-2"])),
  },
  {
    what: "a cluster", named: "user-database", kind: "switchover", posts: "request_operation",
    open: (page: Page) => openPlan(page, "switchover", "pg-standby-west"),
  },
];

for (const { what, named, kind, posts, open } of WAYS) {
  test(`two people ask to move ${what} at once: one does, the other reads who holds it and since when`, async ({ dashboard, as, consoleClean, javaScriptEnabled }) => {
    consoleClean.allow(new RegExp(`Failed to load resource.*${posts}`)); // how a browser remarks on a refusal
    await isProtected(dashboard);
    const people: { name: Account; page: Page }[] = [{ name: "olga", page: await as("olga") }, { name: "oskar", page: await as("oskar") }];
    const buttons = [];
    for (const { name, page } of people) {
      await open(page);
      const form = page.locator(`form[action*="${posts}"]`);
      await form.locator('textarea[name="reason"]').fill(`${name} wants it`);
      const loss = form.locator('input[name="accept_loss"]');
      if (await loss.count()) await loss.check();
      buttons.push({ page, button: form.locator("button:not([type=button])") });
    }
    // Both pages were opened before either asked, so both show a plan that can be asked for.
    const answers = await Promise.all(buttons.map(async ({ page, button }) => {
      const answered = page.waitForResponse((answer) => answer.url().includes(posts) && answer.request().method() === "POST");
      await button.click({ noWaitAfter: true });
      return answered;
    }));

    const requested = (await dashboard.journal()).filter(({ event }) => event.event === "operation-requested");
    expect(requested, "one of them").toHaveLength(1);
    const id = String(requested[0]?.event.id);
    const won = people.find(({ name }) => requested[0]?.event.reason === `${name} wants it`);
    const lost = people.find(({ name }) => name !== won?.name);
    if (!won || !lost) throw new Error(`who won? ${JSON.stringify(requested)}`);
    await won.page.waitForURL(`**/operations/${id}`);
    const main = lost.page.getByRole("main");
    if (javaScriptEnabled) {
      expect(answers.map((answer) => answer.status()).filter((status) => status >= 400), "the server itself refused the other").toHaveLength(1);
      await expect(main.getByRole("alert").filter({ hasText: "Refused" })).toContainText(
        new RegExp(`Refused: ${named} is held by ${kind} [0-9a-f-]+, requested by ${won.name} at ${clock(requested[0]?.at ?? "")} UTC: `),
      );
      expect(new URL(lost.page.url()).pathname, "it stays where it was").not.toContain("/operations/");
    } else {
      // Without JavaScript the page that it was sent back to shows the holder instead of the form.
      await expect(main).toContainText(new RegExp(`is held by .*requested by ${won.name}`));
    }
    // Whoever lost can go to what was asked for, and decide about it.
    await reaches(lost.page, `/operations/${id}`, /waits for|requested|waiting/i);
    await expect(lost.page.locator('form[action*="approve_operation"]')).toBeVisible();
  });
}
