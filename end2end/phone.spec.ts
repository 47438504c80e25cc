// Approving on a phone, at night, with one thumb.
import { drill as test, expect, type Page } from "./journey.ts";
import { isProtected, reaches } from "./moves.ts";
import { decides, isServedBy, move } from "./traffic.ts";

const [EAST, WEST] = ["us-east-1", "us-west-2"] as const;
const WIDTH = 390;
const PHONE = { viewport: { width: WIDTH, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** The button of the inbox with these words, once the board shows it. Without JavaScript a person reloads. */
async function inInbox(page: Page, name: string | RegExp) {
  const button = page.locator(".inbox").getByRole("button", { name });
  await expect(async () => {
    await page.goto("/failover");
    await expect(button).toBeVisible({ timeout: 500 });
  }).toPass({ timeout: 20_000 });
  return button;
}

test.describe("the product asks", () => {
  test.use({ automation: true });

  test("one tap in the inbox approves what the product asks for, and one declines", async ({ lab, dashboard, as, accessible }) => {
    await isProtected(dashboard);
    const [olga, oskar] = [await as("olga"), await as("oskar", PHONE)];
    await lab.kill(`webhook-service.${EAST}`);
    await decides(dashboard, "service/webhook-service", "request");
    const approve = await inInbox(oskar, "Approve, and send clients to us-west-2");
    await accessible(oskar);
    const [button, content] = [await approve.boundingBox(), await oskar.getByRole("main").boundingBox()];
    expect(button?.height, "high enough for a thumb").toBeGreaterThanOrEqual(44);
    expect((button?.x ?? 0) + (button?.width ?? WIDTH), "inside the screen").toBeLessThanOrEqual(WIDTH);
    expect(content?.width, "nothing to scroll sideways").toBeLessThanOrEqual(WIDTH);
    await approve.tap();
    await oskar.waitForURL(/\/operations\/[0-9a-f-]{36}$/);
    const path = new URL(oskar.url()).pathname;
    await reaches(oskar, path, /succeeded/);
    await isServedBy(lab, "webhook-service", [WEST]);
    const approved = (await dashboard.entries(path)).find(({ event }) => event === "operation-approved");
    expect(approved?.reason).toBe("Approved on the board, with the plan as it was asked for");

    const other = await move(olga, "logging-service", "planned", [WEST]);
    await olga.goto("/failover");
    await expect(olga.locator(".inbox")).toContainText("another person must approve it");
    await expect(olga.locator('.inbox form[action*="approve_operation"]')).toHaveCount(0);
    await (await inInbox(oskar, /^Decline the/)).tap();
    await oskar.waitForURL(/\/operations\/[0-9a-f-]{36}$/); // going on before the answer would take the form back
    await reaches(oskar, other, /declined/);
    await isServedBy(lab, "logging-service", [EAST]);
  });
});
