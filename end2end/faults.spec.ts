// Faults that come at the wrong moment: what is slow, what comes and goes, what dies in the middle of a move, a region that
// comes back, and people who step in. Whatever happens, the page says what is so, and clients are where it says.
import { drill as test, expect, type Page } from "./journey.ts";
import type { Dashboard } from "./dashboard.ts";
import { approve, cluster, does, isProtected, plan, planPath, reaches, readyToApprove, sendApproval } from "./moves.ts";
import { decides, evacuate, isServedBy, move, newest, servedBy } from "./traffic.ts";

const [EAST, WEST, EU] = ["us-east-1", "us-west-2", "eu-west-1"] as const;

/** The estate with the rule of one strategy changed: a number of its detection, or how long it waits. */
function ruled(estate: string, strategy: string, rule: Record<string, string>): string {
  return estate.replace(new RegExp(`(id = "${strategy}"\\n)([\\s\\S]*?)(?=\\n\\[\\[|$)`), (_, head: string, body: string) => {
    const changed = Object.entries(rule).reduce((text, [key, value]) => text.replace(new RegExp(`^${key} = .*$`, "m"), `${key} = ${value}`), body);
    return head + changed;
  });
}

/** How often a verdict on a service in a region changed to this one. */
async function verdicts(dashboard: Dashboard, service: string, region: string, to: string): Promise<number> {
  const changes = (await dashboard.journal()).filter(({ event }) => event.event === "health-changed" && event.to === to);
  return changes.map(({ event }) => event.of as { service?: string; region?: string }).filter((of) => of.service === service && of.region === region).length;
}

const operations = async (dashboard: Dashboard, event: string) => (await dashboard.journal()).filter((entry) => entry.event.event === event);

/** Opens a page again until it says so. */
async function says(page: Page, path: string, what: RegExp, timeout = 20_000): Promise<void> {
  await expect(async () => {
    await page.goto(path);
    await expect(page.getByRole("main")).toContainText(what, { timeout: 500 });
  }).toPass({ timeout });
}

test.describe("the product acts", () => {
  test.use({ automation: true });

  test("a service that hangs is down after its time-outs, and clients leave it without anybody @once", async ({ lab, dashboard, as }) => {
    await isProtected(dashboard);
    const vera = await as("vera");
    await isServedBy(lab, "api-gateway", [EAST, WEST, EU]);
    await lab.hang(`api-gateway.${EAST}`);
    await isServedBy(lab, "api-gateway", [WEST, EU], 60_000);
    const path = await newest(dashboard, "api-gateway");
    await reaches(vera, path, /succeeded/);
    const decided = await decides(dashboard, "service/api-gateway", "start");
    expect(decided.trouble.join()).toMatch(/3 of the last 3 probes failed, latest: no answer within 1000 ms/);
    await says(vera, "/failover/api-gateway", /no answer within 1000 ms/);
  });

  test("a service that comes and goes is not moved, and board and ledger say why @once", async ({ lab, dashboard, as }) => {
    const olga = await as("olga");
    const gateway = `api-gateway.${EAST}`;
    /** Starts anew with another rule; nothing is started before two minutes are over. */
    const judgedBy = async (rounds: string) => {
      await dashboard.down();
      lab.editEstate((text) => ruled(text, "api-tier", { failures: rounds, samples: rounds, recoveries: "2", wait: '"2m"' }));
      await dashboard.start();
      await isProtected(dashboard);
    };

    // Faster than the window, which leaves room for a slow machine: no verdict at all.
    await judgedBy("12");
    await lab.kill(gateway);
    await says(olga, "/failover/api-gateway", /\d of the last \d+ probes failed/);
    await lab.heal(gateway);
    await expect.poll(async () => (await operations(dashboard, "wavered")).length, { timeout: 60_000 }).toBe(1);
    expect(await verdicts(dashboard, "api-gateway", EAST, "down")).toBe(0);
    await says(olga, "/failover/decisions", /Nothing was done about api-gateway in us-east-1: \d+ of 12 probes failed/);

    // Slower: a verdict each time, and none that lasts.
    await judgedBy("3");
    for (const times of [1, 2]) {
      await lab.kill(gateway);
      await expect.poll(() => verdicts(dashboard, "api-gateway", EAST, "down"), { timeout: 30_000 }).toBe(times);
      await lab.heal(gateway);
      await expect.poll(() => verdicts(dashboard, "api-gateway", EAST, "ok"), { timeout: 30_000 }).toBe(times);
    }
    await lab.kill(gateway);
    await expect(async () => {
      const held = await decides(dashboard, "service/api-gateway", "hold", 1_000);
      expect(held.holds.map(({ hold }) => hold)).toContain("flapping");
    }).toPass({ timeout: 30_000 });
    await says(olga, "/failover", /changes back and forth/);
    await says(olga, "/failover/decisions", /it changes back and forth \(api-gateway in us-east-1\); nothing is moved before it stays down/);
    expect(await operations(dashboard, "operation-requested")).toEqual([]);
  });
});

test("the target dies in the middle of a move: it is undone, said, and acknowledged @once", async ({ lab, dashboard, as }) => {
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await dashboard.down();
  await dashboard.start({ crashAt: "1:done" }); // clients are sent nowhere, and the server dies
  await isProtected(dashboard);
  const path = await move(olga, "webhook-service", "planned", [WEST]);
  await sendApproval(oskar, path);
  await dashboard.ended();
  await isServedBy(lab, "webhook-service", ["none"]);
  await lab.kill(`webhook-service.${WEST}`);
  await dashboard.start();
  await reaches(oskar, path, /failed, undone/, 60_000);
  await isServedBy(lab, "webhook-service", [EAST]);
  await says(oskar, "/failover/webhook-service", /Clients of webhook-service are sent to us-east-1/);
  // It holds automation back until somebody takes note, and every page says so until then.
  await says(oskar, "/", /the last region failover .* is failed, undone and nobody has taken note of it/);
  await expect(oskar.getByRole("banner")).not.toContainText(/nothing needs a person/);
  await does(oskar, path, "acknowledge_operation", "the west is being looked at");
  await expect(async () => {
    await oskar.goto("/");
    await expect(oskar.getByRole("main")).not.toContainText(/nobody has taken note/, { timeout: 500 });
  }).toPass({ timeout: 10_000 });
});

test("HAProxy dies as a move begins and comes back: clients are where the page says @once", async ({ lab, dashboard, as }) => {
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const path = await move(olga, "webhook-service", "planned", [WEST]);
  await readyToApprove(oskar, path);
  await lab.kill("haproxy");
  await oskar.locator('form[action*="approve_operation"]').getByRole("button").click();
  await expect.poll(async () => (await dashboard.entries(path)).map(({ event }) => event), { timeout: 10_000 }).toContain("operation-started");
  await lab.heal("haproxy"); // it begins with the home region
  await reaches(oskar, path, /succeeded|failed, undone|IN DOUBT/, 60_000);
  // What could not be undone while nothing answered is no failure that is over: a person looks, and has it go on.
  if ((await dashboard.entries(path)).at(-1)?.event === "operation-in-doubt") {
    await does(oskar, path, "resume_operation", "the router is back");
    await reaches(oskar, path, /succeeded|failed, undone/, 60_000);
  }
  const moved = (await dashboard.entries(path)).some(({ event }) => event === "operation-succeeded");
  const at = moved ? WEST : EAST;
  await isServedBy(lab, "webhook-service", [at]);
  await says(oskar, "/failover/webhook-service", new RegExp(`Clients of webhook-service are sent to ${at}`));
});

test.describe("people step in", () => {
  test("a switchover that is told to stop goes back to where it was @once", async ({ lab, dashboard, as }) => {
    await isProtected(dashboard);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    // The target receives and does not apply: the switchover waits until it has caught up.
    await lab.sql("pg-standby-west", "select pg_wal_replay_pause()");
    const path = await plan(olga, "switchover", "pg-standby-west");
    await approve(oskar, path);
    await reaches(oskar, path, /running/);
    await expect.poll(async () => (await dashboard.entries(path)).filter(({ event }) => event === "step-started").length, { timeout: 30_000 }).toBe(5);
    await does(oskar, path, "abort_operation", "the release is not done yet");
    await says(oskar, path, /Told to stop/);
    await lab.sql("pg-standby-west", "select pg_wal_replay_resume()");
    await reaches(oskar, path, /failed, undone/);
    await expect(oskar.getByRole("main")).toContainText(/stopped by oskar: the release is not done yet/);
    await isProtected(dashboard);
    expect(await cluster(dashboard)).toMatchObject({ primary: "pg-primary-east", writable: true, routed_to: ["pg-primary-east"] });
  });

  test("an evacuation in doubt is made an emergency, a step is left out, and it never counts as done @once", async ({ lab, dashboard, as }) => {
    await isProtected(dashboard);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    // Somebody else's request holds one member, and nobody approves it.
    await move(olga, "authentication", "planned", [EAST, EU]);
    const path = await evacuate(olga, WEST, "planned");
    await approve(oskar, path);
    await reaches(oskar, path, /^\s*IN DOUBT/, 60_000);
    await does(oskar, path, "escalate_operation", "the west must be empty by noon");
    await says(oskar, path, /Made an EMERGENCY on its way by oskar/);
    await does(oskar, path, "skip_step", "authentication is looked after by hand");
    await says(oskar, path, /LEFT OUT, not done/);
    await does(oskar, path, "resume_operation", "go on with the rest");
    await reaches(oskar, path, /^\s*IN DOUBT/, 60_000);
    await expect(oskar.getByRole("main")).toContainText(/not everything was moved/);
    await isServedBy(lab, "api-gateway", [EAST, EU]); // of a later wave: it went on
    expect(await servedBy(lab, "authentication")).toContain(WEST);
    await does(oskar, path, "close_operation", "authentication stays in the west, as agreed");
    await reaches(oskar, path, /closed/);
    expect((await dashboard.entries(path)).map(({ event }) => event)).not.toContain("operation-succeeded");
    await oskar.goto(planPath("switchover")); // nothing of it holds anything any more
    await expect(oskar.locator('form[action*="request_operation"]')).toBeVisible();
  });
});
