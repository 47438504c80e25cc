// How many people must agree to a move, and for how long it can be taken back.
import { drill as test, expect, type Page } from "./journey.ts";
import { approve, does, isProtected, reaches } from "./moves.ts";
import { isServedBy, move } from "./traffic.ts";

const [EAST, WEST] = ["us-east-1", "us-west-2"] as const;

test("two people approve a move, and within its window it is rolled back, or committed", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(180_000);
  await dashboard.down();
  const declared = 'id = "one-region"\napprovals = 2\ncommit = { window = "10m", then = "roll-back" }';
  lab.editEstate((text) => text.replaceAll(/^id = "one-region"$/gm, declared));
  await dashboard.start();
  await isProtected(dashboard);
  const [olga, oskar, anna] = [await as("olga"), await as("oskar"), await as("anna")];
  /** Asked for by one, approved by two others, and there. */
  const moved = async (): Promise<string> => {
    const path = await move(olga, "webhook-service", "planned", [WEST]);
    await approve(oskar, path);
    await expect(oskar.getByRole("main")).toContainText("You approved it; 1 person more must.");
    await reaches(oskar, path, /waiting for approval/);
    await isServedBy(lab, "webhook-service", [EAST]);
    await approve(anna, path);
    await waits(olga, path);
    await isServedBy(lab, "webhook-service", [WEST]);
    return path;
  };
  const first = await moved();
  await expect(olga.getByRole("main")).toContainText(/2 of 2\./);
  await accessible(olga);
  await olga.goto("/");
  await expect(olga.getByRole("main")).toContainText(/or roll it back/);
  await does(olga, first, "abort_operation", "it is slow there");
  await reaches(olga, first, /failed, undone/);
  await isServedBy(lab, "webhook-service", [EAST]);

  const second = await moved();
  await does(oskar, second, "commit_operation", "it holds");
  await reaches(olga, second, /succeeded/);
  await isServedBy(lab, "webhook-service", [WEST]);
  const pack = await olga.request.get(`${dashboard.url}/pack`);
  expect(await pack.text()).toMatch(/Offline pack of .*they were sent to us-west-2/s);
});

/** The move works, and its page counts down to the end of its commit window. */
async function waits(page: Page, path: string): Promise<void> {
  const window = page.getByRole("timer", { name: "Commit window" });
  await expect(async () => {
    await page.goto(path);
    await expect(window).toContainText(/within \d+m/, { timeout: 500 });
  }).toPass({ timeout: 60_000 });
}
