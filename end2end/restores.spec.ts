// What somebody deleted is brought back into a new folder, up to a moment before: asked for, approved, looked at, and promoted or discarded. The
// server is killed on the way. With and without JavaScript.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { drill as test, expect, type Page } from "./journey.ts";
import { approve, does, isProtected, reaches } from "./moves.ts";

const POLICY = "user-database-daily";
const LOG = "user-database-log";

async function backUp(olga: Page, policy: string, before: number): Promise<void> {
  await olga.goto(`/backups/${policy}`);
  await olga.getByLabel("Why").first().fill("before the upgrade");
  // Whoever leaves the page at once takes the form along.
  const sent = olga.waitForResponse((answer) => answer.request().method() === "POST" && answer.url().includes("keep_backup"));
  await olga.getByRole("button", { name: "Back up now" }).click();
  await sent;
  await expect(async () => {
    await olga.goto(`/backups/${policy}`);
    await expect(olga.locator(".jobs tbody tr", { hasText: "complete" })).toHaveCount(before + 1, { timeout: 500 });
  }).toPass({ timeout: 90_000 });
}

test("a moment before a deletion is restored, survives the death of the server, is looked at and promoted; another one is discarded", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(300_000);
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const inApp = (statement: string) => lab.sqlIn("users", "pg-primary-east", statement);
  await inApp("create table public.kept as select generate_series(1, 20) as n");
  await backUp(olga, LOG, 0);
  await backUp(olga, POLICY, 0);
  await inApp("insert into public.kept select generate_series(21, 30)");
  // A field of a browser has whole minutes; an address may say more.
  const moment = new Date(Date.now() + 5).toISOString();
  await expect.poll(() => Date.now() > Date.parse(moment)).toBe(true);
  await inApp("delete from public.kept");
  await backUp(olga, LOG, 1);

  const ask = async (at: string) => {
    await olga.goto(`/backups/${POLICY}?at=${at}`);
    await expect(olga.locator(".found")).toContainText(/with its log, holds everything up to/);
    await olga.getByRole("link", { name: "Look at the plan of this restore" }).click();
    await olga.waitForURL(/\/plan\?backup=/);
    // A server that has just started has not looked yet whether there is a place to restore to.
    await expect(async () => {
      await olga.reload();
      await expect(olga.locator('form[action*="request_restore"]')).toBeVisible({ timeout: 500 });
    }).toPass({ timeout: 60_000 });
    await accessible(olga);
    const consent = olga.locator('input[name="override_blockers"]');
    if (await consent.count()) await consent.check();
    await olga.locator('form[action*="request_restore"] textarea[name="reason"]').fill("somebody deleted everything");
    await olga.locator('form[action*="request_restore"]').getByRole("button").click();
    await olga.waitForURL(/\/operations\/[0-9a-f-]{36}$/);
    return new URL(olga.url()).pathname;
  };
  await dashboard.down();
  await dashboard.start({ crashAt: "2:done" }); // it has unpacked it, and has not said so
  const path = await ask(moment);
  await approve(oskar, path).catch(() => undefined); // its answer may be lost with the server
  await dashboard.ended();
  await dashboard.start();
  await reaches(oskar, path, /running/, 60_000);
  await expect(async () => {
    await oskar.goto(path);
    await expect(oskar.getByRole("main")).toContainText(/it stands still at .* psql -h/, { timeout: 500 });
  }).toPass({ timeout: 60_000 });
  await accessible(oskar);
  const [, socket, user] = /psql -h (\S+) -U (\S+)/.exec(await oskar.getByRole("main").innerText()) ?? [];
  const inside = (statement: string) => lab.sqlAt(socket ?? "", user ?? "", "users", statement);
  expect(await inside("select count(*) from public.kept"), "as it was a moment before").toBe("30");
  await expect(inside("insert into public.kept values (1)")).rejects.toThrow(/read-only/);
  await does(oskar, path, "commit_operation", "all thirty are there");
  await reaches(oskar, path, /succeeded/, 60_000);
  expect(await inside("select pg_is_in_recovery()")).toBe("f");
  expect(await inApp("select count(*) from public.kept"), "the source was not touched").toBe("0");

  const other = await ask(new Date(Date.now() + 3_600_000).toISOString());
  await approve(oskar, other);
  await expect(async () => {
    await oskar.goto(other);
    await expect(oskar.getByRole("main")).toContainText(/it stands still at/, { timeout: 500 });
  }).toPass({ timeout: 60_000 });
  await does(oskar, other, "abort_operation", "it was a drill");
  await reaches(oskar, other, /failed, undone/, 60_000);
  const root = (JSON.parse(readFileSync(join(lab.folder, "lab.json"), "utf8")) as { node_root: string }).node_root;
  const folder = (await dashboard.entries(other)).map((entry) => (entry as { plan?: { folder?: string } }).plan?.folder).find(Boolean);
  expect(folder).toBeTruthy();
  expect(existsSync(join(root, "restored", folder ?? "")), "its folder is gone").toBe(false);
});
