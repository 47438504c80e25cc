// Backups as people use them: one is started, copied, restored to prove it; a copy is damaged, and the page says so. With and without JavaScript.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drill as test, expect, type Page } from "./journey.ts";
import { isProtected } from "./moves.ts";

const POLICY = "user-database-daily";

/** Waits for words on the page; without JavaScript a person reloads. */
async function shows(page: Page, javaScriptEnabled: boolean | undefined, words: RegExp): Promise<void> {
  const main = page.getByRole("main");
  if (javaScriptEnabled === false) {
    await expect(async () => { await page.reload(); await expect(main).toContainText(words, { timeout: 500 }); }).toPass({ timeout: 60_000 });
  } else {
    await expect(main).toContainText(words, { timeout: 60_000 });
  }
}

test("a backup is started, copied and restored, a damaged copy is found, and a wished moment names the backup to restore", async ({ lab, dashboard, as, accessible, javaScriptEnabled, consoleClean }) => {
  test.setTimeout(240_000);
  consoleClean.allow(/400 \(Bad Request\)/); // of the moment that is none
  await isProtected(dashboard);
  const olga = await as("olga");
  await olga.goto("/backups");
  await shows(olga, javaScriptEnabled, /, fullnew/); // what is due is reckoned a moment after the start
  const row = olga.locator("tr", { has: olga.getByRole("link", { name: POLICY }) });
  await expect(row).toContainText("new");
  await expect(row).toContainText("all of it");
  await accessible(olga);
  await row.getByRole("link").click();
  await olga.waitForURL(`**/backups/${POLICY}`);
  await expect(olga.getByRole("main")).toContainText("There was no success yet");

  await olga.getByLabel("Why").first().fill("before the upgrade");
  await olga.getByRole("button", { name: "Back up now" }).click();
  await shows(olga, javaScriptEnabled, /2 of 2/);
  await shows(olga, javaScriptEnabled, /restored: answers/);
  await expect(olga.locator(".proofs")).toContainText(/Restored in \d+/);
  await expect(olga.locator(".proofs .rungs li").first()).toContainText("exists");
  await expect(olga.locator(".jobs")).toContainText("olga: before the upgrade");
  await accessible(olga);

  // A moment after it: the page names the backup, and a moment before it has none.
  const later = new Date(Date.now() + 120_000).toISOString().slice(0, 16);
  await olga.getByLabel("Restore to before (UTC)").fill(later);
  await olga.getByRole("button", { name: "Find the backup" }).click();
  await olga.waitForURL(/\?at=/);
  await expect(olga.locator(".found")).toContainText(/holds everything up to .* and was restored/);
  await olga.goto(`/backups/${POLICY}?at=2020-01-01T00:00`);
  await expect(olga.locator(".found")).toContainText("There is no whole backup from before");
  await olga.goto(`/backups/${POLICY}?at=yesterday`);
  await expect(olga.getByRole("alert")).toContainText("“yesterday” is no moment");

  // What can be restored is drawn, for all copies together and for each.
  await olga.goto(`/backups/${POLICY}`);
  await expect(olga.locator(".window .rows li")).toHaveCount(3);
  // One bit of the copy that was not looked at yet, then one of the other.
  const damage = (region: string) => {
    const folder = join(lab.folder, "backups", region, POLICY);
    const file = join(folder, readdirSync(folder)[0] ?? "", "base.tar.zst");
    const bytes = readFileSync(file);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(file, bytes);
  };
  const prove = async () => {
    await olga.goto(`/backups/${POLICY}`);
    await olga.locator("summary", { hasText: "Prove or hold a backup" }).click();
    await olga.locator("#reason-to-prove").fill("an audit");
    await olga.getByRole("button", { name: "Prove it by restoring" }).click();
  };
  damage("us-west-2");
  await prove();
  await shows(olga, javaScriptEnabled, /DAMAGED: base\.tar\.zst has the SHA-256/);
  await expect(olga.locator(".headline")).toHaveClass(/act/);
  damage("us-east-1");
  await prove();
  await shows(olga, javaScriptEnabled, /CANNOT BE RESTORED/);
  await expect(olga.locator(".headline")).toHaveClass(/lost/);
  await olga.goto("/");
  await expect(olga.getByRole("main")).toContainText(/CANNOT BE RESTORED/);

  // A viewer sees all of it and may do nothing; the journal has the whole story.
  const vera = await as("vera");
  await vera.goto(`/backups/${POLICY}`);
  await expect(vera.getByRole("button", { name: "Back up now" })).toHaveCount(0);
  await expect(vera.getByRole("main")).toContainText("That takes the role operator");
  await vera.goto("/journal?kind=backups");
  await expect(vera.getByRole("main")).toContainText(/is NOT proven: it failed at “checksum”/);
  const told = (await dashboard.journal()).filter(({ event }) => event.event === "backup");
  expect(told.length).toBeGreaterThanOrEqual(9);
});
