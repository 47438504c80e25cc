// DR tests as people run them: a tester logs steps while two others watch in browsers of their own; two at one step; a line that
// goes away; and a scenario that runs end to end by itself, with what it measured.
import { drill as test, expect, type Page } from "./journey.ts";
import { approve, isProtected } from "./moves.ts";
import { LIFEBOAT } from "./process.ts";

const step = (page: Page, number: number) => page.locator(`#step-${number}`);
/** Records a result of a step in the words of its buttons. */
async function record(page: Page, number: number, button: string, said = ""): Promise<void> {
  const form = step(page, number).locator("form");
  if (said) await form.locator('textarea[name="said"]').fill(said);
  await form.getByRole("button", { name: button, exact: true }).click();
}
/** Starts a run by the form of its scenario; returns its path. */
async function start(page: Page, scenario: string): Promise<string> {
  await page.goto(`/dr-tests/${scenario}`);
  const form = page.locator('form[action*="start_dr_test"]');
  await form.locator('textarea[name="reason"]').fill("quarterly");
  for (const box of await form.locator('input[type="checkbox"]').all()) await box.check();
  await form.getByRole("button", { name: "Start this test" }).click();
  await page.waitForURL(/\/dr-tests\/runs\/[0-9a-f-]{36}$/);
  return new URL(page.url()).pathname;
}

test("a tester logs a run by forms, and the report has it, with and without JavaScript", async ({ dashboard, as, accessible }) => {
  test.setTimeout(180_000);
  await isProtected(dashboard);
  const tom = await as("tom");
  await tom.goto("/dr-tests");
  await expect(tom.getByRole("main")).toContainText("Next best test");
  await accessible(tom);
  const path = await start(tom, "provider-failover");
  for (const number of [1, 2, 3, 4]) {
    await record(tom, number, "Start");
    await expect(step(tom, number)).toContainText("running");
    await record(tom, number, "Passed", number === 2 ? "a | b" : "");
    await expect(step(tom, number)).toContainText("passed");
  }
  for (const number of [5, 6]) {
    await expect(async () => {
      await tom.goto(path);
      await expect(step(tom, number).getByRole("button", { name: "Start", exact: true })).toBeVisible({ timeout: 500 });
    }).toPass();
    await record(tom, number, "Start");
    await expect(step(tom, number)).toContainText("running");
    await record(tom, number, "Passed");
    await expect(step(tom, number)).toContainText("passed");
  }
  await expect(async () => {
    await tom.goto(path);
    await expect(tom.getByRole("main")).toContainText("Computed verdict", { timeout: 500 });
  }).toPass();
  await accessible(tom);
  const report = await (await tom.request.get(path.replace("/dr-tests/runs", "/evidence") + "/markdown")).text();
  expect(report).toContain("a \\| b");
  expect(report).toContain("Entries ");
});

test("two onlookers see each result within a second, two at one step get a clear answer, and a lost line loses nothing @live", async ({ dashboard, as, consoleClean }) => {
  test.setTimeout(180_000);
  consoleClean.allow(/Failed to load resource|ERR_INTERNET_DISCONNECTED/);
  await isProtected(dashboard);
  const [tom, olga, vera] = [await as("tom"), await as("olga"), await as("vera")];
  const path = await start(tom, "provider-failover");
  for (const page of [tom, olga, vera]) {
    await page.goto(page === vera ? `${path}?wall` : path);
    await expect(page.getByRole("banner")).toContainText(/live ·/, { timeout: 30_000 });
  }
  const watched = async (number: number, word: string) => {
    const began = Date.now();
    await Promise.all([olga, vera].map((page) => expect(step(page, number)).toContainText(word, { timeout: 5_000 })));
    return Date.now() - began;
  };
  await record(tom, 1, "Start");
  const took = [await watched(1, "running")];
  await expect(step(olga, 1)).toContainText("tom");
  await record(tom, 1, "Passed", "it answers");
  took.push(await watched(1, "passed"));
  expect(Math.max(...took), `from the click to both other screens: ${took.join(", ")} ms`).toBeLessThan(1_000);
  await expect(step(vera, 2).locator("form"), "a wall screen has no forms").toHaveCount(0);

  // Olga's page is a step behind: she hears that Tom was faster, and what he said.
  await record(tom, 2, "Start");
  await watched(2, "running");
  const shown = await step(olga, 2).locator('input[name="shown"]').inputValue();
  await record(tom, 2, "Passed", "all dark");
  const run = path.split("/").at(-1) ?? "";
  const told = await dashboard.post(olga, "/api/record_test_step", { run, step: "1", shown, what: "fail", said: "one lamp" });
  expect(told).toMatch(/tom recorded .* as passed .*all dark/);

  await vera.context().setOffline(true);
  await record(tom, 3, "Start");
  await record(tom, 3, "Passed");
  await watchedBy(olga, 3);
  await vera.context().setOffline(false);
  await expect(step(vera, 3)).toContainText("passed", { timeout: 30_000 });
  const results = (await dashboard.journal()).filter(({ event }) => event.event === "dr-test" && (event.what as { moment?: string }).moment === "pass");
  expect(results, "nothing lost, nothing doubled").toHaveLength(3);
});

const watchedBy = (page: Page, number: number) => expect(step(page, number)).toContainText("passed");

test("the database scenario runs end to end by itself, and its report has what was measured @once", async ({ lab, dashboard, as }) => {
  test.setTimeout(420_000);
  await dashboard.down();
  const scope = 'scope = "cluster/user-database"';
  lab.editEstate((text) => `${text}
[[scenario]]
id = "by-itself"
name = "Lose the primary, by itself"
type = "full"
disaster = "data-center-failure"
services = ["user-database"]
${[
    ["look", `{ by = "check-well", ${scope}, within = "30s" }`, ""],
    ["kill", '{ by = "inject-fault", fault = "kill-primary" }', 'marks = "outage-begins"'],
    ["detect", `{ by = "await-detection", ${scope}, within = "60s" }`, ""],
    ["promote", `{ by = "operation", kind = "failover", ${scope}, node = "pg-standby-west", within = "2m" }`, 'marks = "service-restored"'],
    ["rejoin", `{ by = "operation", kind = "rejoin", ${scope}, node = "pg-primary-east", within = "3m" }`, "cleanup = true"],
  ].map(([name, does, more]) => `[[scenario.step]]\nname = "${name}"\nexpected = "it works"\nestimate = "30s"\ndoes = ${does}\n${more}\n`).join("")}
[[scenario.criterion]]
is = "rto-met"
service = "user-database"
[[scenario.criterion]]
is = "rpo-met"
service = "user-database"
`);
  const command = (verb: string) => JSON.stringify([LIFEBOAT, "lab", verb, "pg-primary-east", "--folder", lab.folder]);
  lab.configure(`[fault.kill-primary]\nrun = ${command("kill")}\n`);
  await dashboard.start();
  await isProtected(dashboard);
  const load = lab.load({ pauseMs: 5 });
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const path = await start(olga, "by-itself");
  await oskar.goto(path);
  await oskar.locator("#conduct-reason").fill("agreed");
  await oskar.getByRole("button", { name: "Approve this run" }).click();
  // The failover takes its usual approval; a rejoin moves nothing, and takes none.
  for (const number of [4, 5]) {
    const link = step(oskar, number).locator('a[href^="/operations/"]');
    await expect(link).toBeVisible({ timeout: 120_000 });
    const operation = await link.getAttribute("href");
    if (number === 4) await approve(await as("oskar"), operation ?? "");
    await expect(step(oskar, number)).toContainText("passed", { timeout: 180_000 });
  }
  await expect(oskar.getByRole("main")).toContainText("Computed verdict", { timeout: 180_000 });
  await load.stop();
  const report = await (await oskar.request.get(path.replace("/dr-tests/runs", "/evidence") + "/markdown")).text();
  expect(report, report).toMatch(/- Recovery time: \d+.*\n- Loss: \d+/);
  expect(report).toContain("Computed: **passed**");
});
