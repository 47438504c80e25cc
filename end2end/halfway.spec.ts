// What fails in the middle: one member of a wave, the region that clients are being sent to, the node that is to be promoted.
// Each ends truthfully: the pages say what is so, and how a person goes on.
import { drill as test, expect, type Page } from "./journey.ts";
import { approve, cluster, does, isProtected, plan, reaches, sendApproval } from "./moves.ts";
import { evacuate, isServedBy, move, movePath, newest } from "./traffic.ts";

const [EAST, WEST, EU] = ["us-east-1", "us-west-2", "eu-west-1"] as const;
const state = (page: Page) => page.getByRole("main").locator('[aria-label="State of the operation"]');

test("a wave with one member that really fails: it is sent back, the others stay moved, and a person goes on @once", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(300_000);
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  // It answers every probe in the west; only clients, who come through HAProxy, would reach nobody there.
  await lab.misroute("logging-service", WEST, 9);
  const path = await evacuate(olga, EAST, "planned");
  await approve(oskar, path);
  await reaches(oskar, path, /^\s*IN DOUBT/, 180_000);
  await expect(state(oskar)).toContainText(/logging-service: the region failover [0-9a-f]+ ended: failed, undone: not proven: a client was answered badly: 503/);
  await expect(state(oskar)).toContainText("A person must look, then resume or close it.");
  await accessible(oskar);
  const child = await newest(dashboard, "logging-service");
  await reaches(olga, child, /^\s*failed, undone/);
  // Its clients are where they were, those of its wave are where they went, and later waves were not begun.
  await isServedBy(lab, "logging-service", [EAST]);
  await isServedBy(lab, "webhook-service", [WEST]);
  await isServedBy(lab, "dashboard", [EAST]);
  expect((await dashboard.entries(path)).map(({ event }) => event)).not.toContain("operation-succeeded");

  await lab.misroute("logging-service", WEST, 8080);
  await does(oskar, path, "resume_operation", "its server in HAProxy has the right port again");
  await reaches(oskar, path, /^\s*succeeded/, 120_000);
  await isServedBy(lab, "logging-service", [WEST]);
  await isServedBy(lab, "dashboard", [WEST]);
  // What had moved was not moved again; what had failed was asked for once more.
  const asked = (await dashboard.journal()).filter(({ event }) => event.event === "operation-requested" && event.parent);
  const services = asked.map(({ event }) => (event.plan as { service?: string }).service).filter((name) => name !== undefined);
  expect(services.filter((name) => name === "logging-service")).toHaveLength(2);
  expect(services.filter((name) => name === "webhook-service")).toHaveLength(1);
});

test.describe("the product acts", () => {
  test.use({ automation: true });

  test("the region that clients are sent to dies in the middle of a move that the product began: it stands in doubt, and a person goes elsewhere @once", async ({ lab, dashboard, as, accessible }) => {
    test.setTimeout(300_000);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    await dashboard.down();
    lab.editEstate((text) => text.replace(/(id = "one-region"\n[\s\S]*?)failover = "semi-automatic"/, '$1failover = "automatic"'));
    await dashboard.start({ crashAt: "1:done" }); // clients are sent nowhere, and the server dies
    await isProtected(dashboard);
    await lab.kill(`webhook-service.${EAST}`);
    await dashboard.ended(60_000);
    await lab.kill(`webhook-service.${WEST}`);
    await dashboard.start();
    const path = await newest(dashboard, "webhook-service");
    const entries = await dashboard.entries(path);
    expect(entries.map(({ event }) => event), "nobody was asked").not.toContain("operation-approved");
    // Going back would send clients to what failed first; so it does not, and does not say that it had.
    await reaches(oskar, path, /^\s*IN DOUBT/, 90_000);
    await expect(state(oskar)).toContainText(/not proven: a client was answered badly/);
    await accessible(oskar);
    await isServedBy(lab, "webhook-service", ["none"]);
    await olga.goto("/");
    await expect(olga.getByRole("main")).toContainText(/webhook-service/);
    await expect(olga.getByRole("banner")).not.toContainText(/nothing needs a person/);
    // It holds the service: nothing else is begun meanwhile, and the page of a move says what holds it.
    await olga.goto(movePath("webhook-service", "emergency", [EU]));
    await expect(olga.getByRole("main")).toContainText(/The service is held by .*IN DOUBT/);
    expect((await dashboard.journal()).filter(({ event }) => event.event === "operation-requested")).toHaveLength(1);

    await does(oskar, path, "close_operation", "the west is gone as well; we go to Europe");
    await reaches(oskar, path, /^\s*closed/);
    // What the product may do by itself, one person may.
    const on = await move(olga, "webhook-service", "emergency", [EU], { timeout: 60_000 });
    await reaches(oskar, on, /^\s*succeeded/);
    await isServedBy(lab, "webhook-service", [EU]);
  });
});

test("the standby dies after the approval and before its promotion: nothing takes writes, it says so, and goes on when told @once", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(300_000);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await dashboard.down();
  await dashboard.start({ crashAt: "3:intended" }); // the old primary is fenced, the next step would promote
  await isProtected(dashboard);
  await lab.kill("pg-primary-east");
  const path = await plan(olga, "failover", "pg-standby-west");
  await sendApproval(oskar, path);
  await dashboard.ended();
  await lab.kill("pg-standby-west");
  await dashboard.start();
  await reaches(oskar, path, /^\s*IN DOUBT/, 120_000);
  await expect(state(oskar)).toContainText(/pg-standby-west cannot be reached/);
  await accessible(oskar);
  const promoting = (await dashboard.entries(path)).filter(({ event, step }) => event === "step-ended" && step === 3);
  expect(promoting.map((entry) => entry.state), "it is not said to be promoted").toEqual(["failed"]);
  // Nobody takes writes, the pages say so, and the router sends writers to nobody.
  await expect.poll(async () => {
    const { writable, routed_to } = await cluster(dashboard);
    return { writable, routed_to };
  }, { timeout: 20_000 }).toEqual({ writable: false, routed_to: [] });
  expect((await lab.status()).haproxy.servers.map(([, says]) => says)).toEqual(["maint", "maint", "maint"]);
  await olga.goto("/");
  await expect(olga.getByRole("main")).toContainText(/no node takes writes/i);
  await expect(olga.getByRole("main")).toContainText(/IN DOUBT/);

  // The standby comes back as it was: the same operation goes on from the promotion, and nothing is done twice.
  await lab.heal("pg-standby-west");
  await does(oskar, path, "resume_operation", "the standby runs again");
  await reaches(oskar, path, /^\s*succeeded/, 90_000);
  await expect.poll(async () => {
    const { primary, writable, routed_to } = await cluster(dashboard);
    return { primary, writable, routed_to };
  }, { timeout: 20_000 }).toEqual({ primary: "pg-standby-west", writable: true, routed_to: ["pg-standby-west"] });
  const fenced = (await dashboard.entries(path)).filter(({ event, step }) => event === "step-ended" && step === 2);
  expect(fenced).toHaveLength(1);
});
